#ifndef GODWIT_DATAGRAM_H
#define GODWIT_DATAGRAM_H
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* A way to send datagrams that takes as little of the guest's kernel as possible. */
struct datagram {
  struct sockaddr_in to;
  int udp;
  int packet;
  int interface;
  uint8_t frame[42 + 512];
};

/* To an address of the guest's own network. Datagrams go the ordinary way until it is known where that is. */
void datagram_open(struct datagram *way, const char *address, uint16_t port);
/* Never waits: what finds no room is dropped. At most 512 bytes. */
void datagram_send(struct datagram *way, const char *text, size_t length);
/* The ordinary way, which finds out where the address is. */
void datagram_refresh(struct datagram *way, const char *text, size_t length);
#endif
