; Pretended modules. Only the kernel itself is there: its base is where this program is.

SERVICE_LOAD_SYMBOLS equ 3

%macro image 2
        dd %2
        db %1, 0
%endmacro

load_kernel:
        push ecx
        push esi
        mov dword [next_base], KERNEL_BASE
        mov esi, kernel_path
        mov ecx, IMAGE_SIZE
        call load_module
        mov esi, first_process
        call start_process
        mov dword [next_base], 0x80c00000
        pop esi
        pop ecx
        ret

load_boot_drivers:
        push esi
        mov esi, boot_images
        call load_modules
        call load_nic_drivers
        mov esi, san_images
        call load_modules
        pop esi
        ret

; Loads the images of the table at esi: size and path of each, up to a size of 0.
load_modules:
        pushad
.next:  lodsd
        mov ecx, eax
        jecxz .end
        call load_module
.skip:  lodsb
        test al, al
        jnz .skip
        jmp .next
.end:   popad
        ret

; Adds an image of ecx bytes, whose path is at esi, to the list, and tells the debugger of it.
load_module:
        pushad
        mov ebx, ecx
        mov ecx, module_size
        call allocate
        mov edx, module_list
        call append
        mov ebp, eax
        mov [ebp + module.size], ebx
        mov [ebp + module.path], esi
        mov eax, [next_base]
        mov [ebp + module.base], eax
        add ebx, 0xfff
        and ebx, ~0xfff
        add [next_base], ebx
        lea edi, [ebp + module.full_name]
        call put_name
.last:  cmp byte [esi], 0       ; the base name stands behind the last backslash
        je .named
        cmp byte [esi], '\'
        lea esi, [esi + 1]
        jne .last
        lea edi, [ebp + module.base_name]
        call put_name
        jmp .last
.named: mov ecx, ebp
        mov eax, SERVICE_LOAD_SYMBOLS
        int 0x2d
        int3                    ; never executed: a service returns behind it
        call look_for_break_in
        popad
        ret

; Makes a UNICODE_STRING at edi of the text at esi: length, room, address.
put_name:
        pushad
        xor ecx, ecx
.count: inc ecx
        cmp byte [esi + ecx - 1], 0
        jne .count
        shl ecx, 1              ; with its end
        call allocate
        mov [edi + 2], cx
        sub ecx, 2
        mov [edi], cx
        mov [edi + 4], eax
        mov edi, eax
        xor ah, ah
.next:  lodsb
        stosw
        test al, al
        jnz .next
        popad
        ret

        section .data
kernel_path:   db "\WINDOWS\system32\ntoskrnl.exe", 0
first_process: db "System", 0
boot_images:
        image "\WINDOWS\system32\hal.dll", 0x20000
        image "\WINDOWS\system32\KDCOM.DLL", 0x2000
        image "\WINDOWS\system32\BOOTVID.dll", 0x3000
        image "\WINDOWS\system32\DRIVERS\ACPI.sys", 0x2e000
        image "\WINDOWS\system32\DRIVERS\pci.sys", 0x11000
        image "\WINDOWS\system32\DRIVERS\isapnp.sys", 0x9000
        image "\WINDOWS\system32\DRIVERS\MountMgr.sys", 0xb000
        image "\WINDOWS\system32\DRIVERS\ftdisk.sys", 0x1f000
        image "\WINDOWS\system32\DRIVERS\PartMgr.sys", 0x5000
        image "\WINDOWS\system32\DRIVERS\NDIS.sys", 0x2d000
        dd 0
san_images:
        image "\WINDOWS\system32\DRIVERS\sanbootconf.sys", 0x5000
        image "\WINDOWS\system32\DRIVERS\tcpip.sys", 0x5a000
        image "\WINDOWS\system32\DRIVERS\iScsiPrt.sys", 0x22000
        image "\WINDOWS\system32\DRIVERS\disk.sys", 0x9000
        image "\WINDOWS\system32\DRIVERS\CLASSPNP.SYS", 0xd000
        dd 0
        section .bss
next_base: resd 1
        section .text
