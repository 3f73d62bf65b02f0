; Stops: a breakpoint instruction, a single step, and the kernel's own service of telling that an image was loaded. What the
; processor had is kept in `context`, as the debugger reads and changes it, and is what the kernel goes on with.

VECTOR_STEP       equ 1
VECTOR_BREAKPOINT equ 3
VECTOR_TIMER      equ 8         ; where a BIOS has the timer's interrupt
VECTOR_SERVICE    equ 0x2d
VECTORS           equ 0x2e

; What eax says at the kernel's own breakpoint.
STATUS_BREAK_IN       equ 1
STATUS_BUGCHECK       equ 3
STATUS_BUGCHECK_AGAIN equ 4

BUGCHECK_UNHANDLED    equ 0x8e

struc context_record            ; CONTEXT of a 32-bit Windows, by its offsets
.flags:   resd 1
.dr:      resd 4
.dr6:     resd 1
.dr7:     resd 1
.float:   resb 112
.gs:      resd 1
.fs:      resd 1
.es:      resd 1
.ds:      resd 1
.edi:     resd 1
.esi:     resd 1
.ebx:     resd 1
.edx:     resd 1
.ecx:     resd 1
.eax:     resd 1
.ebp:     resd 1
.eip:     resd 1
.cs:      resd 1
.eflags:  resd 1
.esp:     resd 1
.ss:      resd 1
.more:    resb 512
endstruc

CONTEXT_FLAGS equ 0x1001f       ; of an i386: all but the extended registers

struc frame                     ; what lies on the stack in `trap`
.edi:     resd 1
.esi:     resd 1
.ebp:     resd 1
.unused:  resd 1
.ebx:     resd 1
.edx:     resd 1
.ecx:     resd 1
.eax:     resd 1
.vector:  resd 1
.eip:     resd 1
.cs:      resd 1
.eflags:  resd 1
endstruc

%macro gate 2
        mov eax, %2
        mov [interrupts + 8 * %1], ax
        mov word [interrupts + 8 * %1 + 2], CODE_SELECTOR
        mov word [interrupts + 8 * %1 + 4], 0x8e00
        shr eax, 16
        mov [interrupts + 8 * %1 + 6], ax
%endmacro

traps_start:
        push eax
        gate VECTOR_STEP, on_step
        gate VECTOR_BREAKPOINT, on_breakpoint
        gate VECTOR_TIMER, on_timer
        gate VECTOR_SERVICE, on_service
        lidt [interrupts_pointer]
        call transport_start
        pop eax
        ret

; Stops the kernel; the value on the stack says why. A debugger knows the place by these very bytes.
break_with_status:
        mov eax, [esp + 4]
        int3
        ret 4

on_step:
        push dword VECTOR_STEP
        jmp trap
on_breakpoint:
        push dword VECTOR_BREAKPOINT
        jmp trap
on_service:
        push dword VECTOR_SERVICE
trap:   pushad
        cld
        mov ebp, esp
        mov eax, [ebp + frame.vector]
        mov [stop_vector], eax
        mov eax, [ebp + frame.ecx]
        mov [stop_module], eax
        cmp dword [stop_vector], VECTOR_BREAKPOINT
        jne .told
        dec dword [ebp + frame.eip]            ; a debugger is told where the instruction is
.told:  cmp byte [debugger_absent], 0
        jne .over
        call save_context
        mov byte [stopped], 1
        call stop_with_chances
        mov byte [stopped], 0
        call restore_context
        cmp dword [stop_vector], VECTOR_SERVICE
        jne .end
.over:  inc dword [ebp + frame.eip]            ; an int3 is there after a service, too
.end:   popad
        add esp, 4
        iretd

; An exception that the debugger does not handle is told once more, and is the end of the kernel then.
stop_with_chances:
        mov dword [first_chance], 1
        call serve_stop
        cmp dword [stop_vector], VECTOR_SERVICE
        je .end
        cmp dword [bugcheck_data], 0
        jne .end
        test dword [continue_status], 0x80000000
        jz .end
        mov dword [first_chance], 0
        call serve_stop
        test dword [continue_status], 0x80000000
        jz .end
        mov eax, BUGCHECK_UNHANDLED
        mov ebx, [stop_code]
        mov ecx, [context + context_record.eip]
        xor edx, edx
        mov byte [stopped], 0
        jmp bugcheck
.end:   ret

; The registers that lie at ebp, to and from `context`.
save_context:
        mov dword [context + context_record.flags], CONTEXT_FLAGS
%macro register 1
        mov eax, [ebp + frame.%1]
        mov [context + context_record.%1], eax
%endmacro
        register edi
        register esi
        register ebx
        register edx
        register ecx
        register eax
        register ebp
        register eip
        register cs
        register eflags
        lea eax, [ebp + frame_size]
        mov [context + context_record.esp], eax
        mov dword [context + context_record.ss], DATA_SELECTOR
        mov dword [context + context_record.ds], DATA_SELECTOR
        mov dword [context + context_record.es], DATA_SELECTOR
        mov dword [context + context_record.fs], DATA_SELECTOR
        mov eax, dr6
        mov [context + context_record.dr6], eax
        mov eax, dr7
        mov [context + context_record.dr7], eax
        ret

restore_context:
%macro back 1
        mov eax, [context + context_record.%1]
        mov [ebp + frame.%1], eax
%endmacro
        back edi
        back esi
        back ebx
        back edx
        back ecx
        back eax
        back ebp
        back eip
        back eflags
        and dword [ebp + frame.eflags], ~0x200 ; interrupts stay off
        ret

        section .bss
interrupts:      resb 8 * VECTORS
context:         resb context_record_size
stop_vector:     resd 1
stop_module:     resd 1
stop_code:       resd 1
first_chance:    resd 1
continue_status: resd 1
stopped:         resd 1
        section .data
        align 4
interrupts_pointer:
        dw 8 * VECTORS - 1
        dd interrupts
        section .text
