; The boot sector: says on the screen what this disk is, loads the sectors behind it and goes there. The firmware's INT 13h
; reads them, so it is the iSCSI disk that they come from. SECTORS is defined by who assembles this.

PROGRAM_SEGMENT equ 0x1000
CYLINDERS       equ 2
HEADS           equ 16
TRACK           equ 63

        bits 16
        org 0x7c00

        cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        sti
        cld
        jmp 0:start
start:  mov si, banner
        call show
        mov si, request         ; dl is still the disk that the firmware started from
        mov ah, 0x42
        int 0x13
        jc unreadable
        jmp PROGRAM_SEGMENT:512 ; the first sector holds the settings
unreadable:
        mov si, failure
        call show
halt:   hlt
        jmp halt

show:   lodsb
        test al, al
        jz shown
        mov ah, 0x0e
        mov bx, 7
        int 0x10
        jmp show
shown:  ret

banner:  db "sanlab kd-probe: a stand-in for a Windows kernel, on COM1", 13, 10, 0
failure: db "The rest of the disk cannot be read.", 13, 10, 0

        align 4
request: db 16, 0               ; INT 13h extensions: a disk address packet
        dw SECTORS
        dw 0, PROGRAM_SEGMENT
        dq 1

        times 440 - ($ - $$) db 0
        db "SNLB", 0, 0         ; the disk's signature, by which Windows knows a disk
; One partition without a file system. Firmware takes the disk's geometry from where it ends: with 255 heads, as customary,
; a disk of 1 MiB would not have one cylinder.
        db 0x80, 0, 2, 0        ; from cylinder 0, head 0, sector 2
        db 0xda, HEADS - 1, TRACK, CYLINDERS - 1
        dd 1, CYLINDERS * HEADS * TRACK - 1
        times 510 - ($ - $$) db 0
        dw 0xaa55
