; Packets that arrive: each is sent until its acknowledgement has come, or until the debugger is given up.

ID_INITIAL      equ 0x80800000
ID_SYNC         equ 0x800       ; in the number of the first packet, and after a debugger was given up

FOR_EVER        equ 0

; What transport_receive answers with.
RECEIVED        equ 0
SEND_AGAIN      equ 1

transport_start:
        mov dword [our_id], ID_INITIAL | ID_SYNC
        mov dword [their_id], ID_INITIAL
        ret

; Sends the body in `outgoing`: eax is the type, ecx the body's length, edx how often it is sent at most. The carry is set
; where no answer came.
transport_send:
        pushad
        mov [outgoing + packet.type], ax
        mov [outgoing + packet.length], cx
.again: mov eax, [our_id]
        mov [outgoing + packet.id], eax
        call packet_put
.answer:
        call packet_head
        cmp eax, GOT_CONTROL
        je .control
        cmp eax, GOT_DATA
        je .data
        cmp eax, GOT_BREAK_IN
        je .break_in
        cmp edx, FOR_EVER
        je .again
        dec edx
        jnz .again
        call give_up
        stc
        jmp .end
.break_in:
        mov byte [break_in], 1
        jmp .again
.control:
        cmp word [incoming + packet.type], TYPE_ACKNOWLEDGE
        je .acknowledged
        cmp word [incoming + packet.type], TYPE_RESEND
        je .again
        cmp word [incoming + packet.type], TYPE_RESET
        jne .answer
        call begin_anew
        jmp .again
.acknowledged:
        mov eax, [our_id]
        and eax, ~ID_SYNC
        cmp [incoming + packet.id], eax
        jne .answer
        jmp .done
.data:  mov eax, TYPE_RESEND    ; the acknowledgement was lost: the debugger already sends what follows
        xor edx, edx
        call control_put
.done:  mov eax, [our_id]
        and eax, ~ID_SYNC
        xor eax, 1
        mov [our_id], eax
        clc
.end:   popad
        ret

; Waits for a request, however long, and leaves it in `incoming`. Answers in eax with RECEIVED, or with SEND_AGAIN where the
; debugger wants to hear again why the kernel has stopped.
transport_receive:
        push ecx
        push edx
.next:  call packet_head
        cmp eax, GOT_BREAK_IN
        je .break_in
        cmp eax, GOT_CONTROL
        je .control
        cmp eax, GOT_DATA
        jne .next
        call packet_rest
        jnc .whole
        mov eax, TYPE_RESEND
        xor edx, edx
        call control_put
        jmp .next
.whole: mov edx, [incoming + packet.id]
        mov ecx, edx
        and edx, ~ID_SYNC
        mov eax, TYPE_ACKNOWLEDGE
        call control_put
        cmp ecx, [their_id]     ; another number: it was received before
        jne .next
        xor dword [their_id], 1
        cmp word [incoming + packet.type], TYPE_MANIPULATE
        jne .next
        cmp word [incoming + packet.length], REQUEST_SIZE
        jb .next
        mov byte [debugger_absent], 0
        mov eax, RECEIVED
        jmp .end
.control:
        cmp word [incoming + packet.type], TYPE_RESEND
        je .again
        cmp word [incoming + packet.type], TYPE_RESET
        jne .next
        call begin_anew
.again: mov eax, SEND_AGAIN
        jmp .end
.break_in:
        mov byte [break_in], 1
        jmp .again
.end:   pop edx
        pop ecx
        ret

; The debugger has sent a RESET: both sides count from the beginning, and it hears that we do.
begin_anew:
        push eax
        push edx
        mov dword [our_id], ID_INITIAL
        mov dword [their_id], ID_INITIAL
        mov eax, TYPE_RESET
        xor edx, edx
        call control_put
        pop edx
        pop eax
        ret

; Nobody answers: nothing more is sent until a break-in comes.
give_up:
        mov byte [debugger_absent], 1
        call transport_start
        ret

; A running kernel reads a byte now and then and looks for a break-in, which stops it.
look_for_break_in:
        push eax
        cmp byte [stopped], 0
        jne .end
        call uart_poll
        jc .pending
        cmp al, BREAK_IN
        je .stop
.pending:
        cmp byte [break_in], 0
        je .end
.stop:  mov byte [break_in], 0
        mov byte [debugger_absent], 0
        push dword STATUS_BREAK_IN
        call break_with_status
.end:   pop eax
        ret

        section .bss
our_id:          resd 1
their_id:        resd 1
break_in:        resd 1
debugger_absent: resd 1
        section .text
