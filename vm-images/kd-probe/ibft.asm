; The iBFT: found as sanbootconf finds it, copied, and taken apart.

IBFT_LENGTH     equ 4
IBFT_OEM_ID     equ 10
IBFT_OEM_TABLE  equ 16
IBFT_HEADER     equ 48
BASE_MEMORY_END equ KERNEL_SPACE + 0xa0000

; Every structure begins with its kind, version, length (2), index, flags.
BLOCK_LENGTH    equ 2
BLOCK_INDEX     equ 4
BLOCK_FLAGS     equ 5
BLOCK_INITIATOR equ 2
BLOCK_NIC       equ 3
BLOCK_TARGET    equ 4
FLAG_VALID      equ 1
FLAG_SELECTED   equ 2

; Looks for the table in base memory, paragraph by paragraph; the first with a good sum counts. The carry is set where
; there is none.
ibft_find:
        pushad
        mov esi, KERNEL_SPACE
.next:  cmp dword [esi], "iBFT"
        jne .skip
        mov ecx, [esi + IBFT_LENGTH]
        cmp ecx, IBFT_HEADER
        jb .skip
        cmp ecx, TABLE_LIMIT
        ja .skip
        lea eax, [esi + ecx]
        cmp eax, BASE_MEMORY_END
        ja .skip
        call sum_of
        test al, al
        jz .found
.skip:  add esi, 16
        cmp esi, BASE_MEMORY_END
        jb .next
        stc
        jmp .end
.found: mov edi, TABLE_COPY
        call copy
        mov [ibft_length], ecx
        sub esi, KERNEL_SPACE
        mov [ibft_at], esi
        mov esi, TABLE_COPY + IBFT_OEM_ID
        mov edi, oem_id
        mov ecx, 6
        call copy
        mov esi, TABLE_COPY + IBFT_OEM_TABLE
        mov edi, oem_table
        mov ecx, 8
        call copy
        clc
.end:   popad
        ret

; Calls edx for each structure of the kind al, with the structure at esi. The control structure's list of them begins
; with the extensions, at 6.
ibft_each:
        pushad
        mov ebx, TABLE_COPY + IBFT_HEADER + 6
        movzx ecx, word [TABLE_COPY + IBFT_HEADER + BLOCK_LENGTH]
        add ecx, TABLE_COPY + IBFT_HEADER - 1
.next:  cmp ebx, ecx
        jae .end
        movzx esi, word [ebx]
        add ebx, 2
        test esi, esi
        jz .next
        cmp esi, [ibft_length]
        jae .next
        add esi, TABLE_COPY
        cmp [esi], al
        jne .next
        call edx
        jmp .next
.end:   popad
        ret

; Answers in eax with the text, ended by a 0, whose length and offset stand at eax in the structure esi.
ibft_text:
        push ecx
        push edx
        push esi
        push edi
        movzx ecx, word [esi + eax]
        movzx edx, word [esi + eax + 2]
        mov edi, text
        lea eax, [edx + ecx]
        cmp eax, [ibft_length]
        ja .end
        cmp ecx, 255
        ja .end
        lea esi, [TABLE_COPY + edx]
        rep movsb
.end:   mov byte [edi], 0
        mov eax, text
        pop edi
        pop esi
        pop edx
        pop ecx
        ret

        section .bss
ibft_at:     resd 1             ; its physical address
ibft_length: resd 1             ; 0: none was found
oem_id:      resb 8             ; with a 0 behind them
oem_table:   resb 12
text:        resb 256
        section .text
