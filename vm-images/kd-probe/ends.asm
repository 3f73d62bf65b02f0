; How the boot ends: at the logon, with a bugcheck, or with nothing more.

BUGCHECK_BOOT_DEVICE equ 0x7b   ; INACCESSIBLE_BOOT_DEVICE
BUGCHECK_MANUAL      equ 0xe2   ; MANUALLY_INITIATED_CRASH
OBJECT_NAME_NOT_FOUND equ 0xc0000034

finish: cmp byte [SETTING_END], END_DEAD
        je dead
        cmp byte [SETTING_END], END_STALL
        je idle
        cmp byte [disk_ready], 0
        je no_boot_device

        mov esi, session_manager
        call start_processes
        mov esi, session_images
        call load_modules
        mov esi, session_processes
        call start_processes
        mov esi, display_images
        call load_modules

; A kernel with nothing to do: it looks for a break-in at each tick of the clock.
idle:   mov al, 0xfe            ; of all interrupts only the timer's
        out 0x21, al
        mov al, 0xff
        out 0xa1, al
.wait:  sti
        hlt
        cli
        call look_for_break_in
        jmp .wait

on_timer:
        push eax
        mov al, 0x20
        out 0x20, al
        pop eax
        iretd

dead:   cli
        hlt
        jmp dead

no_boot_device:
        mov eax, BUGCHECK_BOOT_DEVICE
        mov ebx, boot_device
        mov ecx, OBJECT_NAME_NOT_FOUND
        xor edx, edx

; The end of a kernel: eax is the code, ebx, ecx and edx are its first three parameters. A debugger is told before the blue
; screen and after it, and then for ever.
bugcheck:
        cli
        mov [bugcheck_data], eax
        mov [bugcheck_data + 4], ebx
        mov [bugcheck_data + 8], ecx
        mov [bugcheck_data + 12], edx
        say `\n*** Fatal System Error: 0x%8x\n                       (0x%8X,0x%8X,0x%8X,0x%8X)\n\n`, eax, ebx, ecx, edx, 0
        cmp byte [debugger_absent], 0
        jne .screen
        push dword STATUS_BUGCHECK
        call break_with_status
.screen:
        call blue_screen
.again: cmp byte [debugger_absent], 0
        jne dead
        push dword STATUS_BUGCHECK_AGAIN
        call break_with_status
        jmp .again

VGA_TEXT        equ KERNEL_SPACE + 0xb8000
VGA_LINE        equ 160
WHITE_ON_BLUE   equ 0x1f

blue_screen:
        pushad
        mov edi, VGA_TEXT
        mov ecx, 80 * 25
        mov ax, WHITE_ON_BLUE << 8 | ' '
        rep stosw
        mov esi, screen_title
        mov edi, VGA_TEXT + 2 * VGA_LINE
        call show
        mov esi, screen_text
        mov ebx, bugcheck_data
        mov edi, text
        mov dword [text_end], text + 80
        call format
        mov byte [edi], 0
        mov esi, text
        mov edi, VGA_TEXT + 4 * VGA_LINE
        call show
        popad
        ret

show:   mov ah, WHITE_ON_BLUE
.next:  lodsb
        test al, al
        jz .end
        stosw
        jmp .next
.end:   ret

        section .data
screen_title: db "sanlab kd-probe: a stand-in for a Windows kernel has come to its end.", 0
screen_text:  db "*** STOP: 0x%8X (0x%8X,0x%8X,0x%8X,0x%8X)", 0
session_manager:
        db "smss.exe", 0, 0
session_images:
        image "\SystemRoot\System32\win32k.sys", 0x1c2000
        image "\SystemRoot\System32\drivers\dxg.sys", 0x12000
        dd 0
display_images:
        image "\SystemRoot\System32\framebuf.dll", 0x3000
        dd 0
session_processes:
        db "csrss.exe", 0, "winlogon.exe", 0, "services.exe", 0, "lsass.exe", 0, "logonui.exe", 0, 0
        align 4
boot_device:                    ; a UNICODE_STRING, which the bugcheck's first parameter is the address of
        dw boot_device_end - boot_device_text, boot_device_end - boot_device_text
        dd boot_device_text
boot_device_text:
        dw __?utf16?__("\ArcName\multi(0)disk(0)rdisk(0)partition(1)")
boot_device_end:
        section .text
