; Network cards, by PCI: which driver a Windows would load for them, and under which name it would show the one that the iBFT means.

PCI_ADDRESS     equ 0xcf8
PCI_DATA        equ 0xcfc
PCI_ID          equ 0
PCI_CLASS       equ 8           ; class in the highest byte, revision in the lowest
PCI_SUBSYSTEM   equ 0x2c
CLASS_NETWORK   equ 2

NIC_MAC         equ 90
NIC_PCI         equ 96

; Reads the register ecx of the device eax (bus in bits 8 to 15, device 3 to 7, function 0 to 2); answers in eax.
pci_read:
        push edx
        shl eax, 8
        or eax, ecx
        or eax, 0x80000000
        mov dx, PCI_ADDRESS
        out dx, eax
        mov dx, PCI_DATA
        in eax, dx
        pop edx
        ret

; Loads a driver for each card on the first bus that there is one for.
load_nic_drivers:
        pushad
        xor ebx, ebx
.next:  mov eax, ebx
        call nic_driver
        jc .skip
        mov ecx, 0x2c000
        call load_module
.skip:  inc ebx
        cmp ebx, 0x100
        jb .next
        popad
        ret

; Answers in esi with the path of the driver for the network card eax, or with the carry set.
nic_driver:
        push eax
        push ecx
        push edx
        mov edx, eax
        mov ecx, PCI_CLASS
        call pci_read
        shr eax, 24
        cmp al, CLASS_NETWORK
        jne .none
        mov eax, edx
        mov ecx, PCI_ID
        call pci_read
        mov edx, eax
        mov esi, nic_drivers
.next:  lodsd
        test eax, eax
        jz .none
        cmp eax, edx
        je .end                 ; the carry is clear
.skip:  lodsb
        test al, al
        jnz .skip
        jmp .next
.none:  stc
.end:   pop edx
        pop ecx
        pop eax
        ret

; Finds the card that the NIC structure at esi means, and names it as Windows does. The carry is set where it is missing
; or has no driver.
nic_find:
        pushad
        movzx ebx, word [esi + NIC_PCI]
        mov eax, ebx
        push esi
        call nic_driver
        pop esi
        jc .end
        mov eax, ebx
        mov ecx, PCI_ID
        call pci_read
        movzx edx, ax
        mov [nic_values], edx
        shr eax, 16
        mov [nic_values + 4], eax
        mov eax, ebx
        mov ecx, PCI_SUBSYSTEM
        call pci_read
        mov [nic_values + 8], eax
        mov eax, ebx
        mov ecx, PCI_CLASS
        call pci_read
        movzx eax, al
        mov [nic_values + 12], eax
        movzx eax, bl
        mov [nic_values + 16], eax
        movzx eax, word [esi + NIC_MAC]
        xchg al, ah
        mov [nic_values + 20], eax
        mov eax, [esi + NIC_MAC + 2]
        bswap eax
        mov [nic_values + 24], eax
        mov esi, nic_name
        mov ebx, nic_values
        mov edi, nic_interface
        mov dword [text_end], nic_interface + NIC_NAME_LIMIT
        call format
        mov byte [edi], 0
        sub edi, INSTANCE_LENGTH
        mov [nic_instance], edi
        clc
.end:   popad
        ret

NIC_NAME_LIMIT  equ 199
INSTANCE_LENGTH equ 38          ; the GUID at the end, with its braces

%macro driver 3
        dd %2 << 16 | %1
        db "\WINDOWS\system32\DRIVERS\", %3, 0
%endmacro

        section .data
; The GUID ends with the card's own address, so that it is no card's of somebody else.
nic_name:
        db "\??\PCI#VEN_%4X&DEV_%4X&SUBSYS_%8X&REV_%2X#3&13c0b0c5&0&%2x#{ad498944-762f-11d0-8dcb-00c04fc3358c}"
        db "\{5A4E4C42-0000-4000-8000-%4X%8X}", 0
nic_drivers:
        driver 0x8086, 0x100e, "e1000325.sys"
        driver 0x8086, 0x10d3, "e1e5132.sys"
        driver 0x8086, 0x1209, "e100b325.sys"
        driver 0x10ec, 0x8139, "RTL8139.sys"
        driver 0x10ec, 0x8029, "RTL8029.sys"
        driver 0x1022, 0x2000, "pcntpci5.sys"
        driver 0x15ad, 0x07b0, "vmxnet3n51x86.sys"
        driver 0x1af4, 0x1000, "netkvm.sys"
        driver 0x1af4, 0x1041, "netkvm.sys"
        dd 0
        section .bss
nic_values:    resd 7
nic_instance:  resd 1
nic_interface: resb NIC_NAME_LIMIT + 1
        section .text
