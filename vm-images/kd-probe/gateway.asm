; sanbootconf 1.2.0 looks whether targets are on a NIC's own network: a single one becomes the gateway of what it prints, several
; take the gateway away.

tell_gateways:
        pushad
        cmp byte [SETTING_WORDING], WORDING_0_9
        je .end
        mov al, BLOCK_NIC
        mov edx, tell_gateway
        call ibft_each
.end:   popad
        ret

tell_gateway:
        pushad
        test byte [esi + BLOCK_FLAGS], FLAG_VALID
        jz .end
        cmp dword [esi + 24 + 12], 0
        je .end
        call make_mask
        mov eax, [esi + 6 + 12]
        and eax, [mask + 12]
        mov [nic_network], eax
        mov dword [attached], 0
        mov al, BLOCK_TARGET
        mov edx, count_attached
        call ibft_each
        index_to_eax
        mov ebx, eax
        say `Found %d target(s) directly attached via iBFT NIC %d\n`, [attached], ebx
        cmp dword [attached], 0
        je .end
        lea ecx, [esi + 24]
        say `Amending gateway for iBFT NIC %d from %i`, ebx, ecx
        cmp dword [attached], 1
        je .to
        mov dword [attached_target + 12], 0
.to:    say ` to %i\n`, attached_target
.end:   popad
        ret

count_attached:
        pushad
        test byte [esi + BLOCK_FLAGS], FLAG_VALID
        jz .end
        mov eax, [esi + 6 + 12]
        mov ebx, eax
        and eax, [mask + 12]
        cmp eax, [nic_network]
        jne .end
        inc dword [attached]
        mov [attached_target + 12], ebx
.end:   popad
        ret

        section .bss
nic_network:     resd 1
attached:        resd 1
attached_target: resb 16        ; an address as the table has them
        section .text
