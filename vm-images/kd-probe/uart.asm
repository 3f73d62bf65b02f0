; The first serial port, polled: 115200 baud, 8 bits, no parity. A byte that came before is kept: it may be a break-in.

COM1            equ 0x3f8
LINE_CONTROL    equ COM1 + 3
MODEM_CONTROL   equ COM1 + 4
LINE_STATUS     equ COM1 + 5

uart_start:
        pushad
        mov dx, LINE_CONTROL
        mov al, 0x83            ; the divisor's bytes are at the first two ports now
        out dx, al
        mov dx, COM1
        mov al, 1
        out dx, al
        inc dx
        xor al, al
        out dx, al
        mov dx, LINE_CONTROL
        mov al, 3
        out dx, al
        inc dx
        out dx, al              ; ready to send and to receive
        mov dx, COM1 + 1
        xor al, al
        out dx, al              ; no interrupts
        popad
        ret

; Sends al.
uart_put:
        push edx
        push eax
        mov dx, LINE_STATUS
.wait:  in al, dx
        test al, 0x20
        jz .wait
        pop eax
        mov dx, COM1
        out dx, al
        pop edx
        ret

; Answers with the next byte in al, or with the carry set when none comes in time.
uart_get:
        push ebx
        push ecx
        mov ecx, eax
        call uart_poll
        jnc .end
        call ticks
        mov ebx, eax
.wait:  call uart_poll
        jnc .end
        call ticks
        sub eax, ebx
        cmp eax, [time_out]
        jb .wait
        mov eax, ecx
        stc
.end:   pop ecx
        pop ebx
        ret

; Answers with a byte that has come in al, or with the carry set when there is none.
uart_poll:
        push edx
        mov dx, LINE_STATUS
        in al, dx
        test al, 1
        stc
        jz .end
        mov dx, COM1
        in al, dx
        clc
.end:   pop edx
        ret
