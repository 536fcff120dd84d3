/*
 * Datagrams for somebody who measures when a guest executes again: after a move an emulated processor translates all code
 * anew, and the network stack is a lot of it. Ready-made frames go straight to the device instead.
 */
#define _GNU_SOURCE
#include "datagram.h"
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef PACKET_QDISC_BYPASS
#define PACKET_QDISC_BYPASS 20
#endif

enum { ETHERNET = 14, IP = 20, UDP = 8, HEADERS = ETHERNET + IP + UDP };

static void put16(uint8_t *at, uint16_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static uint16_t ip_checksum(const uint8_t *header) {
  uint32_t sum = 0;
  for (int i = 0; i < IP; i += 2) sum += (uint32_t)(header[i] << 8 | header[i + 1]);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

/* The kernel's answer to "who has this address"; 0 while there is none. */
static int next_hop(uint32_t address, uint8_t *mac) {
  char line[200], ip[40];
  unsigned flags, m[6];
  int found = 0;
  FILE *table = fopen("/proc/net/arp", "r");
  if (table == NULL) return 0;
  while (!found && fgets(line, sizeof line, table) != NULL) {
    if (sscanf(line, "%39s %*s %x %x:%x:%x:%x:%x:%x", ip, &flags, &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 8) continue;
    struct in_addr known;
    if (inet_pton(AF_INET, ip, &known) != 1 || known.s_addr != address || (flags & 2) == 0) continue;
    for (int i = 0; i < 6; i++) mac[i] = (uint8_t)m[i];
    found = 1;
  }
  fclose(table);
  return found;
}

void datagram_open(struct datagram *way, const char *address, uint16_t port) {
  memset(way, 0, sizeof *way);
  way->to.sin_family = AF_INET;
  way->to.sin_port = htons(port);
  inet_pton(AF_INET, address, &way->to.sin_addr);
  way->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  way->packet = -1;
}

/* All of the headers but the address of the next hop. 0 while the network is not up. */
static int prepare_frame(struct datagram *way) {
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  struct ifreq device = {.ifr_name = "eth0"};
  uint8_t *ethernet = way->frame, *ip = ethernet + ETHERNET, *udp = ip + IP;
  if (connect(way->udp, (struct sockaddr *)&way->to, sizeof way->to) != 0) return 0;
  if (getsockname(way->udp, (struct sockaddr *)&from, &size) != 0) return 0;
  if (ioctl(way->udp, SIOCGIFHWADDR, &device) != 0) return 0;
  memcpy(ethernet + 6, device.ifr_hwaddr.sa_data, 6);
  put16(ethernet + 12, ETHERTYPE_IP);
  ip[0] = 0x45;
  ip[8] = 64;
  ip[9] = IPPROTO_UDP;
  memcpy(ip + 12, &from.sin_addr, 4);
  memcpy(ip + 16, &way->to.sin_addr, 4);
  memcpy(udp, &from.sin_port, 2);
  memcpy(udp + 2, &way->to.sin_port, 2);
  if (ioctl(way->udp, SIOCGIFINDEX, &device) != 0) return 0;
  way->interface = device.ifr_ifindex;
  return 1;
}

/* Without any protocol it hears nothing. */
static void open_packets(struct datagram *way) {
  struct sockaddr_ll device = {.sll_family = AF_PACKET, .sll_ifindex = way->interface};
  int yes = 1, fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes);
  if (bind(fd, (struct sockaddr *)&device, sizeof device) == 0) way->packet = fd;
  else close(fd);
}

void datagram_refresh(struct datagram *way, const char *text, size_t length) {
  if (way->interface == 0 && !prepare_frame(way)) return;
  send(way->udp, text, length, MSG_DONTWAIT);
  if (next_hop(way->to.sin_addr.s_addr, way->frame) && way->packet < 0) open_packets(way);
}

void datagram_send(struct datagram *way, const char *text, size_t length) {
  if (way->packet < 0 || length > sizeof way->frame - HEADERS) {
    datagram_refresh(way, text, length);
    return;
  }
  uint8_t *ip = way->frame + ETHERNET, *udp = ip + IP;
  put16(ip + 2, (uint16_t)(IP + UDP + length));
  put16(ip + 10, 0);
  put16(ip + 10, ip_checksum(ip));
  put16(udp + 4, (uint16_t)(UDP + length)); /* without a checksum, which is allowed */
  memcpy(udp + UDP, text, length);
  send(way->packet, way->frame, HEADERS + length, MSG_DONTWAIT);
}
