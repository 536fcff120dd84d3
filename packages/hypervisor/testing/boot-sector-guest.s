# The smallest guest that can tell whether a migration lost something: one boot sector, no operating system.
#
# Every few milliseconds it prints a heartbeat `H <n>`; every `beats`-th time it also writes one numbered sector through
# the BIOS and, once the disk has it, prints `W <n>`. It keeps a counter in each of 64 pages of memory, changes `per_beat`
# of them with every heartbeat and prints `E` when one is not what it must be. The power button, or `q` on the serial port, powers it off; `r` resets it.
#
# Sector n lies at 1 + n * stride % slots: "GDWT", n, checksum, then words of x = x * 1664525 + 1013904223 starting from x = n; the
# checksum is the sum of those words. All little-endian, 32 bit, modulo 2^32.

        .code16
        .intel_syntax noprefix
        .globl _start
        .set    SERIAL, 0x3f8
        .set    PM_STATUS, 0x600        # where SeaBIOS puts the ACPI power management registers
        .set    PM_CONTROL, 0x604
        .set    SECTOR, 0x8000
        .set    PAGES, 0x2000           # segment of the first of 64 pages
        .set    PAGE_COUNT, 64

_start: cli
        cld
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7c00
        mov     drive, dl
        mov     dx, PM_STATUS + 2       # let the power button set its status bit
        mov     ax, 0x100
        out     dx, ax
        mov     al, 0x34                # timer 0: rate generator
        out     0x43, al
        mov     ax, divisor
        out     0x40, al
        mov     al, ah
        out     0x40, al
        mov     ax, PAGES               # clear the counters
        mov     cx, PAGE_COUNT
clear:  mov     es, ax
        mov     dword ptr es:0, 0
        add     ax, 0x100
        loop    clear
        mov     es, cx
        sti

tick:   hlt
        inc     dword ptr beat
        mov     al, 'H'
        mov     ebx, beat
        call    report
        mov     si, per_beat
more:   call    memory
        dec     si
        jnz     more
        mov     dx, PM_STATUS
        in      ax, dx
        test    ah, 1
        jnz     off
        mov     dx, SERIAL + 5
        in      al, dx
        test    al, 1
        jz      due
        mov     dx, SERIAL
        in      al, dx
        cmp     al, 'q'
        je      off
        cmp     al, 'r'
        je      reset
due:    dec     word ptr beats_left
        jnz     tick
        mov     ax, beats
        mov     beats_left, ax
        call    write
        jmp     tick

off:    mov     dx, PM_CONTROL
        mov     ax, 0x2000
        out     dx, ax
        hlt
reset:  mov     al, 0xfe
        out     0x64, al
        hlt

# Writes the next sector and reports it once the BIOS says that it is done; tries again when it failed.
write:  mov     ebx, sequence
        inc     ebx
        mov     di, SECTOR
        mov     eax, 0x54574447         # GDWT
        stosd
        mov     eax, ebx
        stosd
        push    di
        scasd                           # the checksum's place
        xor     ebp, ebp
        mov     cx, 125
fill:   imul    eax, eax, 1664525
        add     eax, 1013904223
        add     ebp, eax
        stosd
        loop    fill
        pop     di
        mov     [di], ebp
        mov     eax, ebx
        mul     dword ptr stride
        xor     edx, edx
        div     dword ptr slots
        inc     edx
        mov     lba, edx
        push    ebx
        mov     ax, 0x4300
        mov     dl, drive
        mov     si, offset packet
        int     0x13
        pop     ebx
        jc      failed
        mov     sequence, ebx
        mov     al, 'W'
        jmp     report
failed: ret

# Counts up in one page after the other, checking what was there: pass p leaves p + 1 in every page.
memory: movzx   eax, word ptr page
        mov     cx, ax
        shl     ax, 8
        add     ax, PAGES
        mov     fs, ax
        mov     eax, pass
        cmp     fs:0, eax
        je      sound
        mov     ebx, eax
        mov     al, 'E'
        push    cx
        call    report
        pop     cx
sound:  inc     dword ptr fs:0
        inc     cx
        cmp     cx, PAGE_COUNT
        jb      same
        xor     cx, cx
        inc     dword ptr pass
same:   mov     page, cx
        ret

# Prints the letter in al, a space, ebx in decimal and a line feed.
report: call    print
        mov     al, ' '
        call    print
        mov     eax, ebx
        mov     ebx, 10
        xor     cx, cx
digit:  xor     edx, edx
        div     ebx
        push    dx
        inc     cx
        test    eax, eax
        jnz     digit
put:    pop     ax
        add     al, '0'
        call    print
        loop    put
        mov     al, 10
print:  mov     ah, al
        mov     dx, SERIAL + 5
full:   in      al, dx
        test    al, 0x20
        jz      full
        mov     dx, SERIAL
        mov     al, ah
        out     dx, al
        ret

beats_left: .word 1
page:   .word   0
pass:   .long   0
beat:   .long   0
sequence: .long 0
drive:  .byte   0
packet: .byte   16, 0
        .word   1, SECTOR, 0
lba:    .long   0, 0

# Settings, patched into the disk by whoever builds it.
        .org    0x1f0
slots:  .long   1024
divisor: .word  2386                    # 2 ms
beats:  .word   2
stride: .long   1
per_beat: .word 1
        .org    0x1fe
        .word   0xaa55
