; Breakpoints that a debugger sets: int3 in place of an instruction's first byte. A handle is a place in the table, from 1 on.

BREAKPOINTS     equ 32
BREAK_CODE      equ 0xcc

struc breakpoint
.address: resd 1                ; 0: nobody's
.was:     resd 1
endstruc

; Address at 16; the handle is answered at 24.
write_breakpoint:
        mov eax, [esi + REQUEST_VALUES]
        mov ecx, 1
        call mapped
        jecxz .refused
        mov ebx, breakpoints
        mov ecx, 1
.find:  cmp dword [ebx + breakpoint.address], 0
        je .free
        add ebx, breakpoint_size
        inc ecx
        cmp ecx, BREAKPOINTS
        jbe .find
        xor ecx, ecx
.refused:
        jmp refuse
.free:  mov [ebx + breakpoint.address], eax
        movzx edx, byte [eax]
        mov [ebx + breakpoint.was], edx
        mov byte [eax], BREAK_CODE
        mov [edi + REQUEST_VALUES + 8], ecx
        xor ecx, ecx
        mov edx, REPLIED
        mov eax, STATUS_SUCCESS
        ret

; Handle at 16.
restore_breakpoint:
        mov ebx, [esi + REQUEST_VALUES]
        dec ebx
        cmp ebx, BREAKPOINTS
        jae refuse
        lea ebx, [breakpoints + ebx * breakpoint_size]
        mov eax, [ebx + breakpoint.address]
        test eax, eax
        jz refuse
        mov ecx, [ebx + breakpoint.was]
        mov [eax], cl
        mov dword [ebx + breakpoint.address], 0
        xor ecx, ecx
        mov eax, STATUS_SUCCESS
        ret

; At edi is a copy of the ecx bytes at esi: makes it what was there before the breakpoints were.
hide_breakpoints:
        pushad
        mov ebx, breakpoints
        mov edx, BREAKPOINTS
.next:  mov eax, [ebx + breakpoint.address]
        sub eax, esi
        cmp eax, ecx
        jae .skip
        push edx
        mov edx, [ebx + breakpoint.was]
        mov [edi + eax], dl
        pop edx
.skip:  add ebx, breakpoint_size
        dec edx
        jnz .next
        popad
        ret

        section .bss
breakpoints: resb BREAKPOINTS * breakpoint_size
        section .text
