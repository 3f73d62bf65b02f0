import { ifSigned } from "./dumper-signature.ts";

/** Loads the sectors behind it to 0x7e00 and goes there. `sectors` is their number; all lie in the first track. */
export const BOOT_SECTOR = `
        cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        sti
        cld
        mov cx, 3             ; floppy drives may need some tries
again:  push cx
        mov ax, sectors+0x200
        mov bx, 0x7e00
        mov cx, 2
        mov dh, 0
        int 0x13
        pop cx
        jae loaded
        push cx
        xor ah, ah
        int 0x13
        pop cx
        loop again
        mov si, failed
say:    lodsb
        test al, al
        je stop
        mov ah, 0x0e
        mov bx, 7
        int 0x10
        jmp short say
stop:   hlt
        jmp short stop
loaded: jmp main
failed: db "The floppy cannot be read.", 13, 10, 0
`;

/**
 * Finds every table between 512 KiB and 1 MiB and every one that ACPI lists, and prints their fields, one `path=value`
 * a line, to the screen and to the first serial port (115200 8N1); then, page by page, again for each key pressed. es is
 * the table's segment, bx the structure in it, si what to print of it, di the field.
 */
export const MAIN = `
main:   mov dx, 0x3fb         ; the serial port: divisor 1, 8 bits, no parity
        mov al, 0x80
        out dx, al
        mov dx, 0x3f8
        mov al, 1
        out dx, al
        inc dx
        xor al, al
        out dx, al
        mov dx, 0x3fb
        mov al, 3
        out dx, al
        inc dx
        out dx, al
begin:  mov si, hello
        call puts
        mov word [cur], 0x8000
        mov word [count], 0
scan:   mov ax, [cur]
        cmp ax, 0xa000        ; the VGA window holds no table
        jne look
        mov ax, 0xc000
        mov [cur], ax
look:   mov es, ax
        xor di, di
${ifSigned("found", "next")}
found:  mov ax, es
        mov dx, ax
        shl ax, 4
        shr dx, 12
        mov [alo], ax
        mov [ahi], dx
        mov word [how], lscan
        call table
next:   inc word [cur]
        jne scan
        call acpi
        mov si, ltables
        call puts
        mov ax, [count]
        call putdec
        call crlf
        mov si, bye
        call puts
        xor ah, ah            ; a key
        int 0x16
        mov word [rows], 1
        jmp begin

table:  inc word [count]
        mov si, lat
        call puts
        call putaddress
        call crlf
        mov si, [how]
        call puts
        mov word [pnum], 0xffff
        mov word [pname], nempty
        mov di, 4
        mov ax, [es:di]
        mov [len], ax
        cmp word [es:di+2], 0
        jne near toolong
        mov cx, ax
        xor di, di
        xor al, al
        jcxz summed
sum:    add al, [es:di]
        inc di
        loop sum
summed: xor ah, ah
        push ax
        mov si, lsum
        call puts
        pop ax
        call putdec
        call crlf
        xor bx, bx
        mov si, dheader
        call fields
        mov word [pname], ncontrol
        mov bx, 48
        mov si, dblock
        call fields
        mov si, dcontrol
        call fields
        mov word [slot], 0
words:  mov ax, [slot]        ; the offset words: initiator, NIC 0, target 0, NIC 1, ...
        shl ax, 1
        mov di, ax
        add di, 8
        mov bx, 48
        cmp di, [es:bx+2]
        jae done
        cmp di, 256           ; more pairs than any table has
        jae done
        mov bx, [es:bx+di]
        test bx, bx
        je skip
        cmp bx, [len]
        jae skip
        mov ax, [slot]
        dec ax
        shr ax, 1
        mov [pnum], ax
        mov al, [es:bx]
        mov si, dnic
        mov word [pname], nnic
        cmp al, 3
        je block
        mov si, dtarget
        mov word [pname], ntarget
        cmp al, 4
        je block
        mov word [pnum], 0xffff
        mov si, dinit
        mov word [pname], ninit
        cmp al, 2
        jne skip
block:  push si
        mov si, dblock
        call fields
        pop si
        call fields
skip:   inc word [slot]
        jmp words
toolong:
        mov si, llong
        call puts
        ret
done:   mov bx, 48
        mov bx, [es:bx+6]     ; the extensions
        test bx, bx
        je noext
        mov ax, bx
        add ax, 6
        jb noext
        cmp ax, [len]
        ja noext
        mov word [pnum], 0
        mov word [pname], nextension
        mov si, did
        call fields
        mov si, dblock
        call fields
        mov si, dextension
        call fields
noext:  ret

fields: lodsb                 ; kind, offset, name with 0; a kind of 0 ends the list
        test al, al
        je fret
        mov [kind], al
        lodsb
        xor ah, ah
        mov di, bx
        add di, ax
        push si
        mov si, [pname]
        call puts
        mov ax, [pnum]
        cmp ax, 0xffff
        je nonum
        call putdec
nonum:  mov si, [pname]
        cmp word [pname], nempty
        je nodot
        mov al, '.'
        call putc
nodot:  pop si
        call puts
        mov al, '='
        call putc
        call value
        call crlf
        jmp fields
fret:   ret

putaddress:
        mov ax, [ahi]
        call puthex16
        mov ax, [alo]
        jmp puthex16

cur:    dw 0
count:  dw 0
alo:    dw 0                  ; where the table lies
ahi:    dw 0
how:    dw 0
len:    dw 0
slot:   dw 0
pname:  dw 0
pnum:   dw 0
kind:   db 0
hello:  db "sanlab iBFT dumper", 13, 10, 0
bye:    db "sanlab iBFT dumper: end", 13, 10, 0
ltables: db "tables=", 0
lat:    db "at=0x", 0
lscan:  db "by=scan", 13, 10, 0
lsum:   db "sum=", 0
llong:  db "length=too long", 13, 10, 0
lout:   db "(outside of the table)", 0
lred:   db "<redacted>", 0
nempty: db 0
ncontrol: db "control", 0
ninit:  db "initiator", 0
nnic:   db "nic", 0
ntarget: db "target", 0
nextension: db "extension", 0
`;
