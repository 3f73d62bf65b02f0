; Memory on behalf of a debugger: only what is mapped is touched.

; eax is a virtual address, ecx a length; answers in ecx how much of it there is.
mapped: push edx
        mov edx, eax
        sub edx, KERNEL_SPACE
        jb .none
        sub edx, SPACE_SIZE
        jae .none
        neg edx                 ; so much is left from the address on
        cmp ecx, edx
        jbe .end
        mov ecx, edx
        jmp .end
.none:  xor ecx, ecx
.end:   pop edx
        ret

; Copies ecx bytes from esi to edi.
copy:   push ecx
        push esi
        push edi
        rep movsb
        pop edi
        pop esi
        pop ecx
        ret

; Fills ecx bytes at edi with 0.
clear:  push eax
        push ecx
        push edi
        xor al, al
        rep stosb
        pop edi
        pop ecx
        pop eax
        ret

; Answers in eax with ecx bytes of the pool, which are 0.
allocate:
        push ecx
        push edi
        add ecx, 15
        and ecx, ~15
        mov edi, [pool_next]
        add [pool_next], ecx
        call clear
        mov eax, edi
        pop edi
        pop ecx
        ret

        section .data
        align 4
pool_next: dd POOL
        section .text
