; The packet that says why the kernel has stopped, and what it does until the debugger lets it go on.

STATE_EXCEPTION    equ 0x3030
STATE_LOAD_SYMBOLS equ 0x3031
STATE_SIZE         equ 240
EXCEPTION_BREAKPOINT equ 0x80000003
EXCEPTION_STEP       equ 0x80000004

struc state
.new:     resd 1
.level:   resw 1
.processor: resw 1
.processors: resd 2
.thread:  resd 2
.pc:      resd 2
.union:   resb 160
.dr6:     resd 1                ; the control report
.dr7:     resd 1
.count:   resw 1
.flags:   resw 1
.stream:  resb 16
.cs:      resw 1
.ds:      resw 1
.es:      resw 1
.fs:      resw 1
.eflags:  resd 1
endstruc

; Addresses of a 32-bit kernel are sign-extended on the wire.
%macro extended 2
        mov eax, %2
        cdq
        mov [%1], eax
        mov [%1 + 4], edx
%endmacro

; Tells the stop and answers requests, until it is told to continue or the debugger is given up.
serve_stop:
        pushad
        mov byte [context_given], 0
.tell:  call tell_state
        jc .end
.next:  call transport_receive
        cmp eax, SEND_AGAIN
        je .tell
        call answer
        cmp eax, STATE_AGAIN
        je .tell
        cmp eax, CONTINUE
        jne .next
.end:   popad
        ret

; Sends the state change; the carry is set where the debugger was given up.
tell_state:
        pushad
        mov edi, outgoing + packet.body
        mov ecx, STATE_SIZE
        call clear
        mov word [edi + state.level], PROCESSOR_LEVEL
        mov dword [edi + state.processors], 1
        extended edi + state.thread, thread
        extended edi + state.pc, [context + context_record.eip]
        call put_control_report
        cmp dword [stop_vector], VECTOR_SERVICE
        je .module
        call put_exception
        mov edx, FOR_EVER
        jmp .send
.module:
        call put_module
        mov edx, [tries]
.send:  mov eax, TYPE_STATE_CHANGE
        call transport_send
        popad
        ret

put_exception:
        mov dword [edi + state.new], STATE_EXCEPTION
        mov dword [stop_code], EXCEPTION_BREAKPOINT
        cmp dword [stop_vector], VECTOR_STEP
        jne .code
        mov dword [stop_code], EXCEPTION_STEP
.code:  mov eax, [stop_code]
        mov [edi + state.union], eax
        extended edi + state.union + 16, [context + context_record.eip]
        mov eax, [first_chance]
        mov [edi + state.union + 152], eax
        mov ecx, STATE_SIZE
        ret

; Answers in ecx with the body's length: the path stands at its end.
put_module:
        mov dword [edi + state.new], STATE_LOAD_SYMBOLS
        mov ebx, [stop_module]
        extended edi + state.union + 8, [ebx + module.base]
        mov eax, [ebx + module.size]
        mov [edi + state.union + 28], eax
        mov esi, [ebx + module.path]
        push edi
        add edi, STATE_SIZE
        xor ecx, ecx
.next:  lodsb
        stosb
        inc ecx
        test al, al
        jnz .next
        pop edi
        mov [edi + state.union], ecx
        add ecx, STATE_SIZE
        ret

put_control_report:
        mov eax, [context + context_record.dr6]
        mov [edi + state.dr6], eax
        mov eax, [context + context_record.dr7]
        mov [edi + state.dr7], eax
        mov eax, [context + context_record.eflags]
        mov [edi + state.eflags], eax
        mov word [edi + state.flags], 1        ; the segments are in it
        mov word [edi + state.cs], CODE_SELECTOR
        mov word [edi + state.ds], DATA_SELECTOR
        mov word [edi + state.es], DATA_SELECTOR
        mov word [edi + state.fs], DATA_SELECTOR
        mov eax, [context + context_record.eip]
        mov ecx, 16
        call mapped
        mov [edi + state.count], cx
        mov esi, eax
        push edi
        lea edi, [edi + state.stream]
        call copy
        call hide_breakpoints
        pop edi
        ret

        section .bss
thread: resb 16                 ; the address of the only thread
        section .text
