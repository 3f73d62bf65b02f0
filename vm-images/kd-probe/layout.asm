; Where everything lies. One page of 4 MiB maps the machine's first 4 MiB to KERNEL_SPACE, so that addresses which a debugger is
; told are virtual addresses of a 32-bit kernel.

KERNEL_SPACE    equ 0x80400000
SPACE_SIZE      equ 0x400000
KERNEL_BASE     equ KERNEL_SPACE + 0x10000   ; where the boot sector has put the disk's sectors
PAGE_DIRECTORY  equ 0x100000
VARIABLES       equ KERNEL_SPACE + 0x110000
STACK_TOP       equ KERNEL_SPACE + 0x200000
TABLE_COPY      equ KERNEL_SPACE + 0x210000  ; the iBFT, at most TABLE_LIMIT bytes
TABLE_LIMIT     equ 0x10000
POOL            equ KERNEL_SPACE + 0x220000  ; module and process records, never freed
IMAGE_SIZE      equ 0x10000

CODE_SELECTOR   equ 8
DATA_SELECTOR   equ 0x10

; The settings: the disk's second sector, see settings.ts.
SETTING_MARK    equ KERNEL_BASE              ; "KDPROBE", 0
SETTING_END     equ KERNEL_BASE + 8          ; byte: one of END_...
SETTING_WORDING equ KERNEL_BASE + 9          ; byte: one of WORDING_...
SETTING_TRIES   equ KERNEL_BASE + 10         ; word: how often a packet is sent before the debugger is given up
SETTING_TIMEOUT equ KERNEL_BASE + 12         ; dword: how long an answer's next byte is waited for, in milliseconds

END_LOGIN       equ 0
END_BUGCHECK    equ 1
END_STALL       equ 2
END_DEAD        equ 3

WORDING_0_9     equ 0
WORDING_1_2     equ 1

        org KERNEL_BASE + 512
        section .data align=16
        section .bss nobits vstart=VARIABLES
bss_start:
