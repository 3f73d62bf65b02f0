; What a debugger finds in the kernel's memory: the lists of modules and processes, the bugcheck's data, and the block that leads
; to them.

struc module                    ; a loader's record, by the offsets of a 32-bit Windows
.link:      resd 2
            resd 4
.base:      resd 1
.entry:     resd 1
.size:      resd 1
.full_name: resd 2
.base_name: resd 2
            resd 1
.path:      resd 1              ; ours: the full name as 8-bit text
endstruc

struc process                   ; seen from its link, as everybody does
.link:      resd 2
            resb 0xec - 8
.name:      resb 16
endstruc

; Appends the record eax to the list edx.
append: push ecx
        mov ecx, [edx + 4]
        mov [eax], edx
        mov [eax + 4], ecx
        mov [ecx], eax
        mov [edx + 4], eax
        pop ecx
        ret

; Starts the process whose name is at esi.
start_process:
        pushad
        mov ecx, process_size
        call allocate
        mov edx, process_list
        call append
        lea edi, [eax + process.name]
        mov ecx, 15
.next:  lodsb
        stosb
        test al, al
        loopnz .next
        popad
        ret

; Starts all whose names follow each other at esi, up to an empty one.
start_processes:
        push eax
        push esi
.next:  cmp byte [esi], 0
        je .end
        call start_process
.skip:  lodsb
        test al, al
        jnz .skip
        jmp .next
.end:   pop esi
        pop eax
        ret

        section .data
        align 8
debugger_data_list: dd debugger_data, debugger_data
module_list:        dd module_list, module_list
process_list:       dd process_list, process_list
bugcheck_data:      dd 0, 0, 0, 0, 0
        align 8
debugger_data:
        dd debugger_data_list, -1, debugger_data_list, -1
        db "KDBG"
        dd debugger_data_end - debugger_data
        dd KERNEL_BASE, -1
        times 0x48 - ($ - debugger_data) db 0
        dd module_list, -1
        dd process_list, -1
        times 0x88 - ($ - debugger_data) db 0
        dd bugcheck_data, -1
debugger_data_end:
        section .text
