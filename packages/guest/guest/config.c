#include "config.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define HEADER "#godwit-oracle"

static void set(struct oracle_config *c, const char *key, const char *value) {
  if (strcmp(key, "run") == 0) c->run = strtoull(value, NULL, 16);
  else if (strcmp(key, "report") == 0) sscanf(value, "%63[^:]:%u", c->report_address, &c->report_port);
  else if (strcmp(key, "address") == 0) sscanf(value, "%63[^/]/%u", c->address, &c->prefix);
  else if (strcmp(key, "gateway") == 0) snprintf(c->gateway, sizeof c->gateway, "%s", value);
  else if (strcmp(key, "disk") == 0) snprintf(c->disk_serial, sizeof c->disk_serial, "%s", value);
  else if (strcmp(key, "writes-per-second") == 0) c->writes_per_second = (unsigned)strtoul(value, NULL, 10);
  else if (strcmp(key, "memory-mib") == 0) c->memory_mib = (unsigned)strtoul(value, NULL, 10);
  else if (strcmp(key, "ballast-mib") == 0) c->ballast_mib = (unsigned)strtoul(value, NULL, 10);
  else if (strcmp(key, "dirty-mib-per-second") == 0) c->dirty_mib_per_second = (unsigned)strtoul(value, NULL, 10);
  else if (strcmp(key, "heartbeat-ms") == 0) c->heartbeat_ms = (unsigned)strtoul(value, NULL, 10);
  else {
    fprintf(stderr, "godwit-guest: unknown oracle key %s\n", key);
    return;
  }
  c->present = 1;
}

static void parse_user_data(struct oracle_config *c, char *text) {
  for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    char key[64], value[128];
    if (line[0] != '#' && sscanf(line, " %63[a-z-]: %127s", key, value) == 2) set(c, key, value);
  }
}

static void parse_command_line(struct oracle_config *c) {
  static char text[4096];
  int fd = open("/proc/cmdline", O_RDONLY);
  if (fd < 0) return;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  text[length > 0 ? length : 0] = '\0';
  for (char *word = strtok(text, " \n"); word != NULL; word = strtok(NULL, " \n")) {
    char *equals = strchr(word, '=');
    if (strncmp(word, "oracle.", 7) != 0 || equals == NULL) continue;
    *equals = '\0';
    set(c, word + 7, equals + 1);
  }
}

/* The volume label that cloud-init looks for, in an ISO 9660 or a FAT file system. */
static int is_cidata(int fd) {
  char label[6];
  return (pread(fd, label, 6, 32768 + 40) == 6 && strncasecmp(label, "cidata", 6) == 0) ||
         (pread(fd, label, 6, 43) == 6 && strncasecmp(label, "cidata", 6) == 0) ||
         (pread(fd, label, 6, 71) == 6 && strncasecmp(label, "cidata", 6) == 0);
}

/* Files start on sector boundaries in both file systems and ours is small, so no file system driver is needed. */
static int find_user_data(int fd, char *text, size_t size) {
  static char chunk[65536];
  for (off_t at = 0; at < 16 << 20; at += (off_t)sizeof chunk) {
    ssize_t length = pread(fd, chunk, sizeof chunk, at);
    if (length <= 0) return 0;
    for (ssize_t sector = 0; sector < length; sector += 512) {
      if (memcmp(chunk + sector, HEADER, strlen(HEADER)) != 0) continue;
      ssize_t got = pread(fd, text, size - 1, at + sector);
      text[got > 0 ? got : 0] = '\0';
      return got > 0;
    }
  }
  return 0;
}

void config_load(struct oracle_config *c) {
  static char text[4096];
  memset(c, 0, sizeof *c);
  snprintf(c->address, sizeof c->address, "10.0.2.2");
  snprintf(c->gateway, sizeof c->gateway, "10.0.2.1");
  c->prefix = 24;
  c->writes_per_second = 100;
  c->memory_mib = 32;
  c->dirty_mib_per_second = 20;
  c->heartbeat_ms = 5;
  DIR *dir = opendir("/sys/block");
  for (struct dirent *entry; dir != NULL && !c->present && (entry = readdir(dir)) != NULL;) {
    char path[300];
    if (strncmp(entry->d_name, "vd", 2) != 0 && strncmp(entry->d_name, "sr", 2) != 0) continue;
    snprintf(path, sizeof path, "/dev/%s", entry->d_name);
    int fd = open(path, O_RDONLY);
    if (fd < 0) continue;
    if (is_cidata(fd) && find_user_data(fd, text, sizeof text)) parse_user_data(c, text);
    close(fd);
  }
  if (dir != NULL) closedir(dir);
  parse_command_line(c);
}
