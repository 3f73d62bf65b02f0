; From real mode to a 32-bit kernel at KERNEL_SPACE: A20, protected mode, paging. Interrupts stay off. The program begins 512 bytes
; behind where cs points.

enter:  cli
        mov ax, cs
        mov ds, ax
        in al, 0x92             ; A20 by the fast gate, without its bit 0 which resets
        or al, 2
        and al, 0xfe
        out 0x92, al
        lgdt [low_gdt_pointer - $$ + 512]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword CODE_SELECTOR:flat - KERNEL_SPACE

        bits 32
flat:   mov ax, DATA_SELECTOR
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov fs, ax
        mov gs, ax
        cld
        mov edi, PAGE_DIRECTORY
        mov ecx, 1024
        xor eax, eax
        rep stosd
        mov dword [PAGE_DIRECTORY], LARGE_PAGE
        mov dword [PAGE_DIRECTORY + (KERNEL_SPACE >> 22) * 4], LARGE_PAGE
        mov eax, cr4
        or al, 0x10             ; pages of 4 MiB
        mov cr4, eax
        mov eax, PAGE_DIRECTORY
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
        mov eax, high
        jmp eax

high:   mov esp, STACK_TOP
        lgdt [gdt_pointer]
        mov dword [KERNEL_SPACE + PAGE_DIRECTORY], 0
        mov eax, cr3            ; the first 4 MiB are gone from address 0, as in a kernel
        mov cr3, eax
        mov edi, bss_start
        mov ecx, bss_end
        sub ecx, edi
        xor al, al
        rep stosb
        jmp main

LARGE_PAGE equ 0x83             ; present, writable, 4 MiB, at physical 0

        align 8
gdt:    dq 0
        dq 0x00cf9a000000ffff   ; code, the whole space
        dq 0x00cf92000000ffff   ; data, the whole space
gdt_pointer:
        dw gdt_pointer - gdt - 1
        dd gdt
low_gdt_pointer:
        dw gdt_pointer - gdt - 1
        dd gdt - KERNEL_SPACE
