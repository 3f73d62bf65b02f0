/** Printing to the screen and to the first serial port: characters, texts, numbers. All registers but ax stay as they are. */
export const OUTPUT = `
putchr: cmp al, 0x20          ; what is no printable character becomes a dot
        jb dot
        cmp al, 0x7e
        jbe near putc
dot:    mov al, '.'
putc:   pusha
        push ax
        mov ah, 0x0e
        mov bx, 7
        int 0x10
        cmp word [tries], 0   ; a port that was never ready is left alone
        je mute
        mov dx, 0x3fd
        mov bx, [tries]
wait1:  mov cx, 0
wait2:  in al, dx
        test al, 0x20
        loope wait2
        jne ready
        dec bx
        jne wait1
        mov [tries], bx
mute:   pop ax
        popa
        ret
ready:  pop ax
        mov dx, 0x3f8
        out dx, al
        popa
        ret
tries:  dw 64                 ; times 65536 looks: some seconds
puts:   lodsb
        test al, al
        je pret
        call putc
        jmp short puts
pret:   ret
crlf:   mov al, 13
        call putc
        mov al, 10
        call putc
        cmp word [rows], 0
        je nopage
        inc word [rows]
        cmp word [rows], 24
        jb nopage
        mov word [rows], 1
        push ax
        xor ah, ah
        int 0x16
        pop ax
nopage: ret
rows:   dw 0                  ; lines on this page, 0 where no one waits for keys
putdec: pusha
        mov bx, 10
        xor cx, cx
dec1:   xor dx, dx
        div bx
        push dx
        inc cx
        test ax, ax
        jne dec1
dec2:   pop ax
        add al, '0'
        call putc
        loop dec2
        popa
        ret
puthex16:
        push ax
        mov al, ah
        call puthex8
        pop ax
puthex8:
        push ax
        shr al, 4
        call nibble
        pop ax
        push ax
        and al, 0x0f
        call nibble
        pop ax
        ret
nibble: add al, '0'
        cmp al, '9'
        jbe near putc
        add al, 39
        jmp putc
`;
