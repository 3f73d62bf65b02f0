; Requests for memory and ports: address or port at 16, length at 24, for memory how much was done at 28.

MEMORY_ADDRESS  equ 16
MEMORY_LENGTH   equ 24
MEMORY_DONE     equ 28
PORT_VALUE      equ 28

read_virtual:
        mov eax, [esi + MEMORY_ADDRESS]
read_at_eax:
        mov ecx, [esi + MEMORY_LENGTH]
        cmp ecx, DATA_LIMIT
        jbe .fits
        mov ecx, DATA_LIMIT
.fits:  call mapped
        push esi
        push edi
        mov esi, eax
        add edi, REQUEST_SIZE
        call copy
        pop edi
        pop esi
memory_done:
        mov [edi + MEMORY_DONE], ecx
        mov eax, STATUS_SUCCESS
        cmp ecx, [esi + MEMORY_LENGTH]
        je .end
        mov eax, STATUS_UNSUCCESSFUL   ; what could be read is sent all the same
.end:   ret

write_virtual:
        mov eax, [esi + MEMORY_ADDRESS]
write_at_eax:
        mov ecx, [esi + MEMORY_LENGTH]
        movzx ebx, word [incoming + packet.length]
        sub ebx, REQUEST_SIZE
        cmp ecx, ebx
        jbe .given
        mov ecx, ebx
.given: call mapped
        push esi
        push edi
        add esi, REQUEST_SIZE
        mov edi, eax
        call copy
        pop edi
        pop esi
        call memory_done
        xor ecx, ecx            ; no data in the reply
        ret

read_physical:
        call physical
        jmp read_at_eax

write_physical:
        call physical
        jmp write_at_eax

; Answers in eax with where the request's physical address is mapped, or with an address that is not.
physical:
        mov eax, [esi + MEMORY_ADDRESS]
        cmp dword [esi + MEMORY_ADDRESS + 4], 0
        jne .none
        cmp eax, SPACE_SIZE
        jae .none
        add eax, KERNEL_SPACE
        ret
.none:  xor eax, eax
        ret

read_port:
        mov dx, [esi + MEMORY_ADDRESS]
        xor eax, eax
        cmp dword [esi + MEMORY_LENGTH], 1
        je .byte
        cmp dword [esi + MEMORY_LENGTH], 2
        je .word
        cmp dword [esi + MEMORY_LENGTH], 4
        jne port_refused
        in eax, dx
        jmp .done
.byte:  in al, dx
        jmp .done
.word:  in ax, dx
.done:  mov [edi + PORT_VALUE], eax
        mov edx, REPLIED
        mov eax, STATUS_SUCCESS
        ret

write_port:
        mov dx, [esi + MEMORY_ADDRESS]
        mov eax, [esi + PORT_VALUE]
        cmp dword [esi + MEMORY_LENGTH], 1
        je .byte
        cmp dword [esi + MEMORY_LENGTH], 2
        je .word
        cmp dword [esi + MEMORY_LENGTH], 4
        jne port_refused
        out dx, eax
        jmp .done
.byte:  out dx, al
        jmp .done
.word:  out dx, ax
.done:  mov edx, REPLIED
        mov eax, STATUS_SUCCESS
        ret

port_refused:
        mov edx, REPLIED
        jmp refuse
