/* PID 1 of the guest: modules, network, the oracle when it is configured, a shell on the console, and the power button. */
#define _GNU_SOURCE
#include "config.h"
#include "oracle.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct oracle_config config;

/* Files are named in the order in which they must go in: 00-virtio.ko, 01-… */
static void load_modules(void) {
  struct dirent **names;
  int count = scandir("/modules", &names, NULL, alphasort);
  for (int i = 0; i < count; i++) {
    char path[300];
    snprintf(path, sizeof path, "/modules/%s", names[i]->d_name);
    if (strstr(path, ".ko") == NULL) continue;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST) printf("godwit-guest: %s: %s\n", path, strerror(errno));
    close(fd);
  }
}

static void link_up(int fd, const char *name) {
  struct ifreq request = {0};
  snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
  if (ioctl(fd, SIOCGIFFLAGS, &request) != 0) return;
  request.ifr_flags |= IFF_UP | IFF_RUNNING;
  ioctl(fd, SIOCSIFFLAGS, &request);
}

static void set_address(int fd, unsigned long what, const char *address, uint32_t mask) {
  struct ifreq request = {.ifr_name = "eth0"};
  struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
  in->sin_family = AF_INET;
  if (address != NULL) inet_pton(AF_INET, address, &in->sin_addr);
  else in->sin_addr.s_addr = htonl(mask);
  ioctl(fd, what, &request);
}

static void configure_network(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  link_up(fd, "lo");
  set_address(fd, SIOCSIFADDR, config.address, 0);
  set_address(fd, SIOCSIFNETMASK, NULL, config.prefix == 0 ? 0 : ~0u << (32 - config.prefix));
  link_up(fd, "eth0");
  struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
  struct sockaddr_in gateway = {.sin_family = AF_INET}, any = {.sin_family = AF_INET};
  inet_pton(AF_INET, config.gateway, &gateway.sin_addr);
  memcpy(&route.rt_gateway, &gateway, sizeof gateway);
  memcpy(&route.rt_dst, &any, sizeof any);
  memcpy(&route.rt_genmask, &any, sizeof any);
  ioctl(fd, SIOCADDRT, &route);
  close(fd);
}

static pid_t start_oracle(void) {
  pid_t pid = fork();
  if (pid == 0) oracle_run(&config);
  return pid;
}

static pid_t start_shell(void) {
  if (access("/bin/busybox", X_OK) != 0) return -1;
  pid_t pid = fork();
  if (pid != 0) return pid;
  setsid();
  int fd = open("/dev/ttyS0", O_RDWR);
  if (fd < 0) fd = open("/dev/console", O_RDWR);
  ioctl(fd, TIOCSCTTY, 1);
  for (int i = 0; i < 3; i++) dup2(fd, i);
  if (fd > 2) close(fd);
  char *const environment[] = {"PATH=/bin", "HOME=/", "TERM=vt100", "PS1=godwit:\\w# ", NULL};
  execle("/bin/busybox", "sh", "-i", (char *)NULL, environment);
  _exit(127);
}

static int open_inputs(struct pollfd *fds, int most) {
  int count = 0;
  for (int i = 0; i < 16 && count < most; i++) {
    char path[32];
    snprintf(path, sizeof path, "/dev/input/event%d", i);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
  }
  return count;
}

static int power_pressed(int fd) {
  struct input_event event;
  int pressed = 0;
  while (read(fd, &event, sizeof event) == sizeof event) pressed |= event.type == EV_KEY && event.code == KEY_POWER && event.value == 1;
  return pressed;
}

static volatile sig_atomic_t end; /* what to do: a reboot() command, or 0 */
static void on_signal(int number) { end = number == SIGINT || number == SIGTERM ? RB_AUTOBOOT : RB_POWER_OFF; }
static void on_child(int number) { (void)number; }

static _Noreturn void finish(pid_t oracle) {
  printf("godwit-guest: %s\n", end == RB_AUTOBOOT ? "rebooting" : "powering off");
  if (oracle > 0) {
    kill(oracle, SIGTERM);
    for (int i = 0; i < 50 && waitpid(oracle, NULL, WNOHANG) == 0; i++) usleep(10000);
  }
  sync();
  reboot(end);
  for (;;) pause();
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  mount("proc", "/proc", "proc", 0, NULL);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
  sethostname("godwit", 6);
  load_modules();
  config_load(&config);
  configure_network();
  signal(SIGINT, on_signal);  /* Ctrl-Alt-Del, busybox reboot */
  signal(SIGTERM, on_signal);
  signal(SIGUSR1, on_signal);
  signal(SIGUSR2, on_signal); /* busybox halt and poweroff */
  signal(SIGCHLD, on_child);
  reboot(RB_DISABLE_CAD);
  printf("godwit-guest: ready%s\n", config.present ? ", oracle configured" : "");
  pid_t oracle = config.present ? start_oracle() : 0, shell = start_shell();
  struct pollfd inputs[8];
  int count = open_inputs(inputs, 8);
  while (end == 0) {
    poll(inputs, (nfds_t)count, 1000);
    for (int i = 0; i < count; i++) if (power_pressed(inputs[i].fd)) end = RB_POWER_OFF;
    for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;) {
      if (pid == shell) shell = start_shell();
      if (pid == oracle) {
        printf("godwit-guest: the oracle died\n");
        oracle = 0;
      }
    }
  }
  finish(oracle);
}
