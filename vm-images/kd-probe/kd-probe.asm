; A stand-in for a Windows kernel that boots from an iSCSI disk with a debugger on COM1. It speaks KDCOM from the kernel's side,
; tells what the boot drivers would tell of this machine's iBFT, and comes to the end that its disk says. It has no
; network driver: it does not log in to the target itself, and what it prints of iScsiPrt is pretended.
;
; Every routine leaves the registers as they were, but for those that it says it answers with.

%include "layout.asm"

        section .text
        bits 16
%include "enter.asm"

%include "time.asm"
%include "uart.asm"
%include "packet.asm"
%include "transport.asm"
%include "print.asm"
%include "memory.asm"
%include "traps.asm"
%include "state-change.asm"
%include "requests.asm"
%include "kernel-data.asm"
%include "modules.asm"
%include "ibft.asm"
%include "nic.asm"
%include "sanbootconf.asm"
%include "gateway.asm"
%include "iscsi-port.asm"
%include "ends.asm"

main:   call time_start
        call uart_start
        call traps_start
        say `sanlab kd-probe: a stand-in for a Windows kernel; what it tells of a login to the disk is pretended\n`
        call load_kernel
        call load_boot_drivers
        call sanbootconf
        call iscsi_port
        jmp finish

        section .data
        align 16                ; whole paragraphs
        section .bss
bss_end:
