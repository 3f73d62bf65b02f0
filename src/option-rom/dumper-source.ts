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
 * Finds every table between 512 KiB and 1 MiB and prints its fields, one `path=value` a line, to the screen and to
 * the first serial port (115200 8N1). es is the table's segment, bx the structure in it, si what to print of it, di
 * the field.
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
        mov si, hello
        call puts

scan:   mov ax, [cur]
        cmp ax, 0xa000        ; the VGA window holds no table
        jne look
        mov ax, 0xc000
        mov [cur], ax
look:   mov es, ax
        xor di, di
        cmp word [es:di+2], 0x5446
        jne next
        cmp word [es:di], 0x4269
        je found
        cmp word [es:di], 0x4249
        je found
        cmp word [es:di], 0x4942
        jne next
found:  call table
next:   inc word [cur]
        jne scan
        mov si, ltables
        call puts
        mov ax, [count]
        call putdec
        call crlf
        mov si, bye
        call puts
stop2:  hlt
        jmp short stop2

table:  inc word [count]
        mov si, lat
        call puts
        mov ax, es
        call puthex16
        mov al, '0'
        call putc
        call crlf
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
done:   ret

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

value:  mov al, [kind]
        cmp al, 1
        je vbyte
        cmp al, 2
        je vword
        cmp al, 3
        je vip
        cmp al, 4
        je near vmac
        cmp al, 5
        je near vpci
        cmp al, 6
        je near vlun
        cmp al, 7
        je near vstr
        cmp al, 8
        je near vsecret
        xor ah, ah            ; 16 and more: so many characters, less 16
        sub al, 16
        mov cx, ax
vchars: mov al, [es:di]
        test al, al
        je vcend
        call putchr
        inc di
        loop vchars
vcend:  ret
vbyte:  mov al, [es:di]
        xor ah, ah
        jmp putdec
vword:  mov ax, [es:di]
        jmp putdec

vip:    push di
        mov cx, 16
        xor al, al
ipzero: or al, [es:di]
        inc di
        loop ipzero
        pop di
        test al, al
        je vnone
        push di
        mov cx, 10
        xor al, al
ipmap:  or al, [es:di]
        inc di
        loop ipmap
        pop di
        test al, al
        jne ip6
        cmp word [es:di+10], 0xffff
        jne ip6
        add di, 12
        mov cx, 4
ip4:    mov al, [es:di]
        xor ah, ah
        call putdec
        inc di
        mov al, '.'
        cmp cx, 1
        je ip4end
        call putc
ip4end: loop ip4
        ret
ip6:    mov cx, 8
ip6w:   mov ah, [es:di]
        mov al, [es:di+1]
        call puthex16
        add di, 2
        mov al, ':'
        cmp cx, 1
        je ip6end
        call putc
ip6end: loop ip6w
        ret
vnone:  mov al, '-'
        jmp putc

vmac:   mov cx, 6
mac1:   mov al, [es:di]
        call puthex8
        inc di
        mov al, ':'
        cmp cx, 1
        je macend
        call putc
macend: loop mac1
        ret
vpci:   mov al, [es:di+1]
        call puthex8
        mov al, ':'
        call putc
        mov al, [es:di]
        shr al, 3
        call puthex8
        mov al, '.'
        call putc
        mov al, [es:di]
        and al, 7
        xor ah, ah
        jmp putdec
vlun:   mov cx, 8
lun1:   mov al, [es:di]
        call puthex8
        inc di
        loop lun1
        ret

vstr:   mov cx, [es:di]
        mov di, [es:di+2]
        test di, di
        je vnone
        mov ax, di
        add ax, cx
        jb outside
        cmp ax, [len]
        ja outside
        jcxz strend
str1:   mov al, [es:di]
        call putchr
        inc di
        loop str1
strend: ret
outside:
        push si
        mov si, lout
        call puts
        pop si
        ret
vsecret:
        cmp word [es:di+2], 0
        je near vnone
        push si
        mov si, lred
        call puts
        pop si
        ret

cur:    dw 0x8000
count:  dw 0
len:    dw 0
slot:   dw 0
pname:  dw 0
pnum:   dw 0
kind:   db 0
hello:  db "sanlab iBFT dumper", 13, 10, 0
bye:    db "end", 13, 10, 0
ltables: db "tables=", 0
lat:    db "at=0x", 0
lsum:   db "sum=", 0
llong:  db "length=too long", 13, 10, 0
lout:   db "(outside of the table)", 0
lred:   db "<redacted>", 0
nempty: db 0
ncontrol: db "control", 0
ninit:  db "initiator", 0
nnic:   db "nic", 0
ntarget: db "target", 0
dheader: db 20, 0, "signature", 0, 2, 4, "length", 0, 1, 8, "revision", 0, 1, 9, "checksum", 0
        db 22, 10, "oemId", 0, 24, 16, "oemTableId", 0, 0
dblock: db 1, 1, "version", 0, 2, 2, "length", 0, 1, 4, "index", 0, 1, 5, "flags", 0, 0
dcontrol: db 2, 6, "extensions", 0, 0
dinit:  db 3, 6, "isns", 0, 3, 22, "slp", 0, 3, 38, "radius1", 0, 3, 54, "radius2", 0
        db 7, 70, "name", 0, 0
dnic:   db 3, 6, "ip", 0, 1, 22, "prefix", 0, 1, 23, "origin", 0, 3, 24, "gateway", 0
        db 3, 40, "dns1", 0, 3, 56, "dns2", 0, 3, 72, "dhcp", 0, 2, 88, "vlan", 0
        db 4, 90, "mac", 0, 5, 96, "pci", 0, 7, 98, "hostname", 0, 0
dtarget: db 3, 6, "ip", 0, 2, 22, "port", 0, 6, 24, "lun", 0, 1, 32, "chapType", 0, 1, 33, "nic", 0
        db 7, 34, "name", 0, 7, 38, "chapName", 0, 8, 42, "chapSecret", 0
        db 7, 46, "reverseChapName", 0, 8, 50, "reverseChapSecret", 0, 0
`;
