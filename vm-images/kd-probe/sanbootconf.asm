; What sanbootconf prints for the iBFT of this machine, in the words of its version 0.9.1 or 1.2.0.

sanbootconf:
        pushad
        cmp byte [SETTING_WORDING], WORDING_0_9
        je .old
        say `SAN Boot Configuration Driver initialising\n`
        say `SystemStartOptions are  DEBUG DEBUGPORT=COM1 BAUDRATE=115200\n`
        say `Graphical boot is enabled\n`
        say `Boot screen text is disabled\n`
        jmp .look
.old:   say `iSCSI Boot Parameter Driver initialising\n`
.look:  call ibft_find
        jc .none
        call tell_table
        mov al, BLOCK_INITIATOR
        mov edx, tell_initiator
        call ibft_each
        mov al, BLOCK_NIC
        mov edx, tell_nic
        call ibft_each
        mov al, BLOCK_TARGET
        mov edx, tell_target
        call ibft_each
        call tell_gateways
        jmp .rest
.none:  say `No iBFT found\n`
.rest:  cmp byte [SETTING_WORDING], WORDING_0_9
        je .old_end
        say `No aBFT found\n`
        say `No sBFT found\n`
        cmp dword [ibft_length], 0
        je .no_boot
        say `Attempting SAN boot; will wait for system disk\n`
        jmp .end
.no_boot:
        say `No SAN boot method detected\n`
        jmp .end
.old_end:
        say `iSCSI Boot Parameter Driver initialisation complete\n`
.end:   popad
        ret

tell_table:
        cmp byte [SETTING_WORDING], WORDING_0_9
        je .old
        say `Found ACPI table "iBFT" at %5x OEM ID "%s" OEM table ID "%s"\n`, [ibft_at], oem_id, oem_table
        say `iSCSI boot via %s\n`, oem_table
        cmp dword [oem_table], "gPXE"
        jne .end
        say `WARNING: gPXE is no longer supported; please upgrade to iPXE (http://ipxe.org)\n`
.end:   ret
.old:   say `Found iBFT at %5x OEM ID "%s" OEM table ID "%s"\n`, [ibft_at], oem_id, oem_table
        ret

; The structure is at esi in all of these.

; `  Flags = `; the carry is set where the structure is not valid, and nothing more is said of it.
tell_flags:
        pushad
        movzx edx, byte [esi + BLOCK_FLAGS]
        mov eax, nothing
        mov ebx, nothing
        mov ecx, nothing
        test edx, edx
        jz .prefix
        mov eax, hex_prefix
.prefix:
        test dl, FLAG_VALID
        jz .valid
        mov ebx, valid
.valid: test dl, FLAG_SELECTED
        jz .selected
        mov ecx, boot_selected
.selected:
        say `  Flags = %s%x%s%s\n`, eax, edx, ebx, ecx
        test dl, FLAG_VALID
        jnz .end                ; the carry is clear
        stc
.end:   popad
        ret

; Answers in eax with the structure's index.
%macro index_to_eax 0
        movzx eax, byte [esi + BLOCK_INDEX]
%endmacro
; `say` with the address of a field as its only value.
%macro say_field 2
        lea eax, [esi + %2]
        say %1, eax
%endmacro
; `say` with one of the structure's texts.
%macro say_text 2
        mov eax, %2
        call ibft_text
        say %1, eax
%endmacro
; A secret is there or not; it is never printed.
%macro say_secret 2
        mov eax, nothing
        cmp word [esi + %2], 0
        je %%say
        mov eax, omitted
%%say:  say %1, eax
%endmacro

tell_initiator:
        pushad
        index_to_eax
        say `Found iBFT Initiator %d:\n`, eax
        call tell_flags
        jc .end
        say_field `  iSNS = %i\n`, 6
        say_field `  SLP = %i\n`, 22
        say_field `  Radius = %i`, 38
        say_field `, %i\n`, 54
        say_text `  Name = %s\n`, 70
        cmp byte [SETTING_WORDING], WORDING_0_9
        je .end
        say_text `%s\n`, 70
.end:   popad
        ret

tell_nic:
        pushad
        index_to_eax
        say `Found iBFT NIC %d:\n`, eax
        call tell_flags
        jc .end
        call make_mask
        say_field `  IP = %i/`, 6
        cmp byte [SETTING_WORDING], WORDING_0_9
        je .prefix
        say `%i\n`, mask
        jmp .origin
.prefix:
        movzx eax, byte [esi + 22]
        say `%d\n`, eax
.origin:
        movzx eax, byte [esi + 23]
        say `  Origin = %d\n`, eax
        say_field `  Gateway = %i\n`, 24
        say_field `  DNS = %i`, 40
        say_field `, %i\n`, 56
        say_field `  DHCP = %i\n`, 72
        movzx eax, word [esi + 88]
        say `  VLAN = %4x\n`, eax
        say_field `  MAC = %m\n`, NIC_MAC
        movzx eax, byte [esi + NIC_PCI + 1]
        movzx ebx, byte [esi + NIC_PCI]
        mov ecx, ebx
        shr ebx, 3
        and ecx, 7
        say `  PCI = %2x:%2x.%x\n`, eax, ebx, ecx
        say_text `  Hostname = %s\n`, 98
        cmp byte [SETTING_WORDING], WORDING_0_9
        je .find
        lea eax, [esi + NIC_MAC]
        lea ebx, [esi + 6]
        lea ecx, [esi + 24]
        say `%m %i/%i gw %i\n`, eax, ebx, mask, ecx
.find:  call tell_interface
.end:   popad
        ret

; Makes `mask`, an address as the table has them, of the prefix length.
make_mask:
        pushad
        movzx ecx, byte [esi + 22]
        xor eax, eax
        jecxz .made
        cmp ecx, 32
        ja .made
        neg ecx
        add ecx, 32
        mov eax, -1
        shl eax, cl
.made:  bswap eax
        mov [mask + 12], eax
        popad
        ret

tell_interface:
        pushad
        index_to_eax
        mov ebx, eax
        lea edx, [esi + NIC_MAC]
        call nic_find
        jc .missing
        mov byte [nic_ready], 1
        say `Found NIC with MAC address %m at "%s"\n`, edx, nic_interface
        cmp byte [SETTING_WORDING], WORDING_0_9
        je .old
        say `NIC %m is interface "%s"\n`, edx, nic_interface
        say `NIC %m is PDO %8X\n`, edx, nic_values
        say `NIC %m is NetCfgInstanceId "%s"\n`, edx, [nic_instance]
        say `Successfully configured iBFT NIC %d\n`, ebx
        jmp .end
.old:   say `iBFT NIC %d is interface "%s"\n`, ebx, nic_interface
        say `iBFT NIC %d is PDO %8X\n`, ebx, nic_values
        say `iBFT NIC %d is NetCfgInstanceId "%s"\n`, ebx, [nic_instance]
        jmp .end
.missing:
        cmp byte [SETTING_WORDING], WORDING_0_9
        je .failed
        say `ERROR: %m not found\n`, edx
.failed:
        say `Could not configure iBFT NIC %d: c000000f\n`, ebx
.end:   popad
        ret

tell_target:
        pushad
        index_to_eax
        say `Found iBFT target %d:\n`, eax
        call tell_flags
        jc .end
        test byte [esi + BLOCK_FLAGS], FLAG_SELECTED
        jz .fields
        mov byte [target_ready], 1
.fields:
        say_field `  IP = %i\n`, 6
        movzx eax, word [esi + 22]
        say `  Port = %d\n`, eax
        call tell_lun
        movzx eax, byte [esi + 32]
        mov ebx, eax
        cmp ebx, 3
        jb .chap
        mov ebx, 3
.chap:  say `  CHAP type = %d (%s)\n`, eax, [chap_types + 4 * ebx]
        movzx eax, byte [esi + 33]
        say `  NIC = %d\n`, eax
        say_text `  Name = %s\n`, 34
        say_text `  CHAP name = %s\n`, 38
        say_secret `  CHAP secret = %s\n`, 42
        say_text `  Reverse CHAP name = %s\n`, 46
        say_secret `  Reverse CHAP secret = %s\n`, 50
        cmp byte [SETTING_WORDING], WORDING_0_9
        je .end
        mov eax, 34
        call ibft_text
        lea ebx, [esi + 6]
        say `%i %s\n`, ebx, eax
.end:   popad
        ret

tell_lun:
        pushad
        movzx eax, word [esi + 24]
        xchg al, ah
        movzx ebx, word [esi + 26]
        xchg bl, bh
        movzx ecx, word [esi + 28]
        xchg cl, ch
        movzx edx, word [esi + 30]
        xchg dl, dh
        say `  LUN = %4x-%4x-%4x-%4x\n`, eax, ebx, ecx, edx
        popad
        ret

        section .data
nothing:       db 0
hex_prefix:    db "0x", 0
valid:         db ", valid", 0
boot_selected: db ", boot selected", 0
omitted:       db "<omitted>", 0
chap_none:     db "None", 0
chap_one_way:  db "One-way", 0
chap_mutual:   db "Mutual", 0
chap_unknown:  db "Unknown", 0
        align 4
chap_types:    dd chap_none, chap_one_way, chap_mutual, chap_unknown
        section .bss
mask:          resb 16
nic_ready:     resd 1
target_ready:  resd 1
        section .text
