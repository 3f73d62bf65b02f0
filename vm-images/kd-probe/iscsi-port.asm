; What Microsoft's iScsiPrt prints when it gets the table from sanbootconf. The login is pretended: there is no initiator here.

POOL_ENTRIES    equ 30
SIGNATURE_AT    equ KERNEL_SPACE + 0x7c00 + 440   ; in the boot sector, which still is where the firmware put it

iscsi_port:
        pushad
        cmp byte [SETTING_WORDING], WORDING_0_9
        je .old
        say `iBFT requested\n`
        cmp dword [ibft_length], 0
        jne .parameters
        say `No iBFT available!\n`
        jmp .end
.old:   say `iSCSI boot parameters requested\n`
        say `iSCSI boot parameters requested\n`
        cmp dword [ibft_length], 0
        je .end
.parameters:
        say `Found iSCSI Boot Parameters at %8X, attempting iSCSI boot\n`, TABLE_COPY
        say `Allocating the Boot Connection Pool of size %d\n`, POOL_ENTRIES
        mov ecx, 8 * POOL_ENTRIES
        call allocate
        say `Allocating Connection Pool %8X\n`, eax
        mov ebx, eax
        xor ecx, ecx
.entry: say `Allocating the Boot Connection Pool entry %d SUCCESS\n`, ecx
        inc ecx
        cmp ecx, POOL_ENTRIES
        jb .entry
        say `Waiting 60 seconds for boot disk\n`
        say `iSpSystemWorkerThread: Entering\n`
        say `iSpSystemWorkerThread:  Coming out of wait\n`
        say `iSpSystemWorkerThread: Start Logon Completion Thread %8X\n`, ebx
        say `Delay 10 seconds for Disk to arrive.......\n`
        call wait_for_disk
        jc .end
        mov byte [disk_ready], 1
        say `Delay for Disk Complete, continue with boot\n`
        say `ISCSI Boot Status 0, (0, 0, 0, 0)\n`
.end:   popad
        ret

; The carry is set where the disk does not arrive: by the setting, or because there is no card or no target to have it from.
wait_for_disk:
        pushad
        cmp byte [SETTING_END], END_LOGIN
        jne .never
        cmp byte [nic_ready], 0
        je .never
        cmp byte [target_ready], 0
        je .never
        say `iSpSystemWorkerThread:  After Logon Completion Thread\n`
        say `Will notify BusChangeDetected\n`
        cmp byte [SETTING_WORDING], WORDING_0_9
        je .arrived
        mov eax, [SIGNATURE_AT]
        say `Waiting for SAN system disk (attempt 1)\n`
        say `  System disk is MBR %8x, boot disk is MBR %8x\n`, eax, eax
        say `  MBR %8x: "%s"\n`, eax, disk_name
        say `Found system disk at "%s"\n`, disk_name
        say `Found SAN system disk; proceeding with boot\n`
.arrived:
        clc
        jmp .end
.never: cmp byte [SETTING_WORDING], WORDING_0_9
        je .absent
        say `Waiting for SAN system disk (attempt 1)\n`
.absent:
        stc
.end:   popad
        ret

        section .data
disk_name: db "\??\SCSI#Disk&Ven_SANLAB&Prod_kd-probe#1&1c121344&0&000000#"
           db "{53f56307-b6bf-11d0-94f2-00a0c91efb8b}", 0
        section .bss
disk_ready: resd 1
        section .text
