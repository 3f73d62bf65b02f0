; KDCOM's packets as bytes: a leader, type, length, number and sum, and for data a body and a last byte.

LEADER_DATA     equ 0x30        ; four of them
LEADER_CONTROL  equ 0x69
TRAILER         equ 0xaa
BREAK_IN        equ 0x62        ; outside of any packet
BODY_LIMIT      equ 4000

TYPE_MANIPULATE   equ 2
TYPE_DEBUG_IO     equ 3
TYPE_ACKNOWLEDGE  equ 4
TYPE_RESEND       equ 5
TYPE_RESET        equ 6
TYPE_STATE_CHANGE equ 7

; What packet_head answers with.
GOT_NOTHING     equ 0
GOT_CONTROL     equ 1
GOT_DATA        equ 2
GOT_BREAK_IN    equ 3

struc packet
.leader: resd 1
.type:   resw 1
.length: resw 1
.id:     resd 1
.sum:    resd 1
.body:   resb BODY_LIMIT + 4
endstruc

; Sends what stands in `outgoing`, whose type, length and number are filled in.
packet_put:
        pushad
        mov dword [outgoing + packet.leader], LEADER_DATA * 0x01010101
        mov esi, outgoing + packet.body
        movzx ecx, word [outgoing + packet.length]
        call sum_of
        mov [outgoing + packet.sum], eax
        mov byte [esi + ecx], TRAILER
        mov esi, outgoing
        add ecx, packet.body + 1
        call put_bytes
        popad
        ret

; Sends a control packet of type eax with the number edx.
control_put:
        pushad
        mov dword [control + packet.leader], LEADER_CONTROL * 0x01010101
        mov [control + packet.type], eax   ; its upper half is the length: none
        mov [control + packet.id], edx
        mov esi, control
        mov ecx, packet.body
        call put_bytes
        popad
        ret

put_bytes:
        lodsb
        call uart_put
        loop put_bytes
        ret

; Reads up to the end of a packet's first 16 bytes and answers in eax with one of GOT_...
packet_head:
        push ecx
        push edx
        xor ecx, ecx            ; so many equal bytes of a leader
        mov dl, 0
.next:  call uart_get
        jc .nothing
        cmp al, LEADER_DATA
        je .leader
        cmp al, LEADER_CONTROL
        je .leader
        test ecx, ecx
        mov ecx, 0
        jnz .next
        cmp al, BREAK_IN
        jne .next
        mov eax, GOT_BREAK_IN
        jmp .end
.leader:
        cmp al, dl
        mov dl, al
        je .same
        xor ecx, ecx
.same:  inc ecx
        cmp ecx, 4
        jb .next
        mov ecx, packet.body - packet.type
        push edi
        mov edi, incoming + packet.type
        call get_bytes
        pop edi
        jc .nothing
        mov eax, GOT_DATA
        cmp dl, LEADER_DATA
        je .end
        mov eax, GOT_CONTROL
        jmp .end
.nothing:
        mov eax, GOT_NOTHING
.end:   pop edx
        pop ecx
        ret

; Reads the body that belongs to `incoming`'s head. The carry is set where it is damaged or does not come.
packet_rest:
        pushad
        movzx ecx, word [incoming + packet.length]
        cmp ecx, BODY_LIMIT
        ja .bad
        mov ebx, ecx
        inc ecx
        mov edi, incoming + packet.body
        call get_bytes
        jc .bad
        mov ecx, ebx
        mov esi, incoming + packet.body
        cmp byte [esi + ecx], TRAILER
        jne .bad
        call sum_of
        cmp eax, [incoming + packet.sum]
        jne .bad
        clc
        jmp .end
.bad:   stc
.end:   popad
        ret

; Reads ecx bytes to edi; the carry is set where they do not come.
get_bytes:
        push eax
        push ecx
        push edi
.next:  call uart_get
        jc .end
        mov [edi], al
        inc edi
        loop .next
        clc
.end:   pop edi
        pop ecx
        pop eax
        ret

; Answers in eax with the sum of ecx bytes at esi.
sum_of: push ecx
        push edx
        push esi
        xor edx, edx
        jecxz .end
.next:  movzx eax, byte [esi]
        inc esi
        add edx, eax
        loop .next
.end:   mov eax, edx
        pop esi
        pop edx
        pop ecx
        ret

        section .bss
outgoing: resb packet_size
incoming: resb packet_size
control:  resb packet.body
        section .text
