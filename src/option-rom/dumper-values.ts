/** Prints the field at es:di by its kind: bytes, words, addresses, strings. What lies outside of the table is not shown. */
export const VALUES = `
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
        cmp al, 9
        je near vdata
        cmp al, 10
        je near vwords
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

vdata:  mov cx, [es:bx+2]     ; the length of the structure
        sub cx, 6
        jbe vdend
vd1:    cmp di, [len]
        jae vdend
        mov al, [es:di]
        call puthex8
        inc di
        loop vd1
vdend:  ret

vwords: mov cx, [es:bx+2]
        cmp cx, 18            ; a shorter one has them all the same, as systems read it
        jae vw1
        mov cx, 18
vw1:    cmp cx, 256
        jb vw2
        mov cx, 256
vw2:    sub cx, 8
        shr cx, 1
vw3:    mov ax, [es:di]
        call putdec
        add di, 2
        cmp cx, 1
        je vwend
        mov al, ' '
        call putc
        loop vw3
vwend:  ret
`;

/**
 * What to print of each structure: kind, offset, name with 0; a kind of 0 ends the list. Kinds: 1 byte, 2 word, 3 IP
 * address, 4 MAC address, 5 PCI location, 6 LUN, 7 string, 8 secret, 9 the bytes behind an extension's header, 10 the
 * control structure's offset words; 16 and more: so many characters, less 16.
 */
export const FIELDS = `
dheader: db 20, 0, "signature", 0, 2, 4, "length", 0, 1, 8, "revision", 0, 1, 9, "checksum", 0
        db 22, 10, "oemId", 0, 24, 16, "oemTableId", 0, 0
dblock: db 1, 1, "version", 0, 2, 2, "length", 0, 1, 4, "index", 0, 1, 5, "flags", 0, 0
did:    db 1, 0, "id", 0, 0
dextension: db 9, 6, "data", 0, 0
dcontrol: db 2, 6, "extensions", 0, 10, 8, "offsets", 0, 0
dinit:  db 3, 6, "isns", 0, 3, 22, "slp", 0, 3, 38, "radius1", 0, 3, 54, "radius2", 0
        db 7, 70, "name", 0, 0
dnic:   db 3, 6, "ip", 0, 1, 22, "prefix", 0, 1, 23, "origin", 0, 3, 24, "gateway", 0
        db 3, 40, "dns1", 0, 3, 56, "dns2", 0, 3, 72, "dhcp", 0, 2, 88, "vlan", 0
        db 4, 90, "mac", 0, 5, 96, "pci", 0, 7, 98, "hostname", 0, 0
dtarget: db 3, 6, "ip", 0, 2, 22, "port", 0, 6, 24, "lun", 0, 1, 32, "chapType", 0, 1, 33, "nic", 0
        db 7, 34, "name", 0, 7, 38, "chapName", 0, 8, 42, "chapSecret", 0
        db 7, 46, "reverseChapName", 0, 8, 50, "reverseChapSecret", 0, 0
`;
