import { ifSigned } from "./dumper-signature.ts";

/**
 * Follows ACPI as Linux does (ACPI 6.4, 5.2.5): the root pointer in the first KiB of the extended BIOS data area or from
 * 0xE0000 to 0xFFFFF, then the XSDT, or the RSDT where there is none. What lies above 1 MiB the BIOS copies (INT 15h
 * function 87h) into segments 0x2000 (the root table) and 0x3000 (a table that it lists).
 */
export const ACPI = `
acpi:   mov ax, 0x40
        mov es, ax
        xor di, di
        mov ax, [es:di+0x0e]
        cmp ax, 0x40          ; without an extended BIOS data area
        jbe noebda
        mov [cur], ax
        mov cx, 64
        call pointer
        je rooted
noebda: mov word [cur], 0xe000
        mov cx, 0x2000
        call pointer
        je rooted
        ret

pointer:                      ; cx paragraphs from [cur] on; equal and es:0 where a root pointer is found
        mov ax, [cur]
        mov es, ax
        xor di, di
        cmp word [es:di], 0x5352
        jne nopoint
        cmp word [es:di+2], 0x2044
        jne nopoint
        cmp word [es:di+4], 0x5450
        jne nopoint
        cmp word [es:di+6], 0x2052
        jne nopoint
        push cx
        mov cx, 20
        call sumup
        pop cx
        test al, al
        je pointed
nopoint: inc word [cur]
        loop pointer
        or al, 1
pointed: ret

sumup:  xor di, di            ; al: the sum of cx bytes at es:0
        xor al, al
sum1:   add al, [es:di]
        inc di
        loop sum1
        ret

rooted: xor di, di
        mov ax, [es:di+16]
        mov dx, [es:di+18]
        mov word [step], 4
        mov word [rootsig], 0x5352
        cmp byte [es:di+15], 2
        jb root
        push ax
        mov cx, 36
        call sumup
        mov bl, al
        pop ax
        test bl, bl
        jne root
        xor di, di
        mov cx, [es:di+28]    ; an address above 4 GiB is out of reach
        or cx, [es:di+30]
        jne root
        mov cx, [es:di+24]
        or cx, [es:di+26]
        je root
        mov ax, [es:di+24]
        mov dx, [es:di+26]
        mov word [step], 8
        mov word [rootsig], 0x5358
root:   mov bx, 0x2000
        call fetch
        jne near aret
        xor di, di
        mov ax, [rootsig]
        cmp [es:di], ax
        jne near aret
        cmp word [es:di+2], 0x5444
        jne near aret
        mov cx, [es:di+4]
        mov [rootlen], cx
        call sumup
        test al, al
        jne near aret
        mov word [entry], 36
list:   mov bx, [entry]
        mov ax, bx
        add ax, [step]
        cmp ax, [rootlen]
        ja near aret
        mov [entry], ax
        mov ax, 0x2000
        mov es, ax
        cmp word [step], 8
        jne short4
        mov ax, [es:bx+4]
        or ax, [es:bx+6]
        jne list
short4: mov ax, [es:bx]
        mov dx, [es:bx+2]
        mov [alo], ax
        mov [ahi], dx
        mov bx, 0x3000
        call fetch
        jne list
        xor di, di
${ifSigned("iswanted", "list")}
iswanted:
        cmp word [ahi], 0x10  ; the scan has shown what it can reach
        jae islow
        cmp word [ahi], 8
        jb islow
        test byte [alo], 15
        jne islow
        mov si, llisted
        call puts
        call putaddress
        call crlf
        jmp list
islow:  mov word [how], lacpi
        call table
        jmp list
aret:   ret

fetch:  mov cx, 18            ; the table at dx:ax to bx:0, es = bx; equal where that went well
        call copy
        jb unfetched
        xor di, di
        cmp word [es:di+6], 0
        jne unfetched
        mov cx, [es:di+4]
        cmp cx, 36
        jb unfetched
        inc cx
        je unfetched
        shr cx, 1
        call copy
        jb unfetched
        xor cx, cx
        ret
unfetched:
        or cx, 1
        ret

copy:   push ax               ; cx words from dx:ax to bx:0, es = bx; carry where the BIOS does not
        push dx
        push bx
        mov [gsource+2], ax
        mov [gsource+4], dl
        mov [gsource+7], dh
        mov ax, bx
        shr ax, 12
        mov [gdest+4], al
        xor ax, ax
        mov es, ax
        mov si, gdt
        mov ah, 0x87
        int 0x15
        pop bx
        pop dx
        pop ax
        mov es, bx
        ret

step:   dw 0
rootsig: dw 0
rootlen: dw 0
entry:  dw 0
lacpi:  db "by=acpi", 13, 10, 0
llisted: db "listed=0x", 0
        align 8
gdt:    dw 0, 0, 0, 0
        dw 0, 0, 0, 0
gsource: dw 0xffff, 0
        db 0, 0x93, 0, 0
gdest:  dw 0xffff, 0
        db 0, 0x93, 0, 0
        dw 0, 0, 0, 0
        dw 0, 0, 0, 0
`;
