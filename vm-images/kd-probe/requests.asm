; What a debugger may ask of a stopped kernel. A request and its reply have a fixed part of 56 bytes: API number, processor,
; status at 8, and from 16 on what belongs to the request; data comes behind it.

REQUEST_SIZE    equ 56
DATA_LIMIT      equ BODY_LIMIT - REQUEST_SIZE
REQUEST_STATUS  equ 8
REQUEST_VALUES  equ 16

STATUS_SUCCESS      equ 0
STATUS_UNSUCCESSFUL equ 0xc0000001

; What `answer` answers with.
REPLIED         equ 0
CONTINUE        equ 1           ; the kernel goes on, without a reply
STATE_AGAIN     equ 2           ; the state change is the reply
NO_REPLY        equ 3

; Answers the request in `incoming`. Its routine finds the request at esi and its copy, to be the reply, at edi, and answers in
; eax with the status, in ecx with the length of the data behind the reply and in edx with one of the above.
answer: push ebx
        push ecx
        push edx
        push esi
        push edi
        mov esi, incoming + packet.body
        mov edi, outgoing + packet.body
        mov eax, [esi]
        mov ebx, request_table
.find:  cmp dword [ebx], 0
        je .unknown
        cmp [ebx], eax
        je .known
        add ebx, 8
        jmp .find
.unknown:
        say `kd-probe: request %4x is not known here\n`, eax
.known: mov ecx, REQUEST_SIZE
        call copy
        xor ecx, ecx
        mov edx, REPLIED
        call [ebx + 4]
        cmp edx, REPLIED
        jne .end
        mov [edi + REQUEST_STATUS], eax
        add ecx, REQUEST_SIZE
        mov eax, TYPE_MANIPULATE
        mov edx, [tries]
        call transport_send
        mov edx, REPLIED
.end:   mov eax, edx
        pop edi
        pop esi
        pop edx
        pop ecx
        pop ebx
        ret

        section .data
        align 4
request_table:
        dd 0x3130, read_virtual
        dd 0x3131, write_virtual
        dd 0x3132, get_context
        dd 0x3133, set_context
        dd 0x3134, write_breakpoint
        dd 0x3135, restore_breakpoint
        dd 0x3136, continue
        dd 0x3139, read_port
        dd 0x313a, write_port
        dd 0x313b, reboot
        dd 0x313c, continue_with_controls
        dd 0x313d, read_physical
        dd 0x313e, write_physical
        dd 0x3146, get_version
        dd 0x3149, cause_bugcheck
        dd 0x3150, switch_processor
        dd 0x315a, clear_internal_breakpoints
        dd 0, refuse
        section .text

refuse: mov eax, STATUS_UNSUCCESSFUL
        ret

get_version:
        push esi
        push edi
        mov esi, version
        add edi, REQUEST_VALUES
        mov ecx, version_end - version
        call copy
        pop edi
        pop esi
        xor ecx, ecx
        mov eax, STATUS_SUCCESS
        ret

get_context:
        mov byte [context_given], 1
        push esi
        push edi
        mov esi, context
        add edi, REQUEST_SIZE
        mov ecx, context_record_size
        call copy
        pop edi
        pop esi
        mov eax, STATUS_SUCCESS
        ret

; Only after a debugger was given the context at this stop: it cannot know all of it otherwise.
set_context:
        cmp byte [context_given], 0
        je refuse
        cmp word [incoming + packet.length], REQUEST_SIZE + context_record_size
        jb refuse
        push esi
        push edi
        add esi, REQUEST_SIZE
        mov edi, context
        mov ecx, context_record_size
        call copy
        pop edi
        pop esi
        xor ecx, ecx
        mov eax, STATUS_SUCCESS
        ret

continue:
        mov eax, [esi + REQUEST_VALUES]
        mov [continue_status], eax
        mov edx, CONTINUE
        ret

; Continue2: behind the status whether to stop after one instruction, and Dr7.
continue_with_controls:
        and dword [context + context_record.eflags], ~0x100
        cmp dword [esi + REQUEST_VALUES + 4], 0
        je .whole
        or dword [context + context_record.eflags], 0x100
.whole: mov eax, [esi + REQUEST_VALUES + 8]
        mov dr7, eax
        jmp continue

switch_processor:
        mov edx, STATE_AGAIN    ; there is only one
        ret

clear_internal_breakpoints:
        mov edx, NO_REPLY
        ret

reboot: mov al, 0xfe            ; the keyboard controller pulls the reset line
        out 0x64, al
        hlt
        jmp reboot

cause_bugcheck:
        mov eax, BUGCHECK_MANUAL
        xor ebx, ebx
        xor ecx, ecx
        xor edx, edx
        mov byte [stopped], 0
        jmp bugcheck

        section .data
        align 4
version:
        dw 0x0f, 3790           ; major of a free build, build
        db 6, 0                 ; protocol
        dw 2                    ; there is a debugger data block; 32-bit pointers
        dw 0x14c                ; i386
        db 12, 3, 0x31, 0       ; limits of packet types, state changes and requests
        dw 0
        dd KERNEL_BASE, -1
        dd module_list, -1
        dd debugger_data_list, -1
version_end:
        section .bss
context_given: resd 1
        section .text

%include "memory-requests.asm"
%include "breakpoints.asm"
