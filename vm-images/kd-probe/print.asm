; DbgPrint. `say "text", values...` formats and sends one packet; \n and the like need the text in backquotes.
;   %d decimal   %x hexadecimal   %8x with so many digits (1 to 9)   %8X in capitals   %s text up to a 0
;   %i the IPv4 address in the last 4 of 16 bytes   %m the 6 bytes of a MAC address

PRINT_LIMIT     equ 512
API_PRINT       equ 0x3230
PROCESSOR_LEVEL equ 6

%macro say 1-*
        [section .data]
%%text: db %1, 0
        __?SECT?__
%rep %0 - 1
%rotate -1
        push dword %1
%endrep
        push dword %%text
        call dbg_print
        add esp, 4 * %0
%endmacro

dbg_print:
        pushad
        cmp byte [debugger_absent], 0
        jne .sent
        mov esi, [esp + 36]     ; the text, behind the registers and the return address
        lea ebx, [esp + 40]     ; the values
        mov edi, print_body
        mov dword [text_end], print_body + PRINT_LIMIT
        call format
        mov ecx, edi
        sub ecx, print_body
        mov edi, outgoing + packet.body
        mov dword [edi], API_PRINT
        mov dword [edi + 4], PROCESSOR_LEVEL   ; and processor 0
        mov [edi + 8], ecx
        mov dword [edi + 12], 0
        add ecx, 16
        mov eax, TYPE_DEBUG_IO
        mov edx, [tries]
        call transport_send
.sent:  call look_for_break_in
        popad
        ret

print_body equ outgoing + packet.body + 16

; Writes the text at esi with the values at ebx to edi, not beyond [text_end]; it leaves edi behind what it wrote.
format: lodsb
        test al, al
        jz .end
        cmp al, '%'
        je .value
        call put_char
        jmp format
.value: xor ecx, ecx
        lodsb
        cmp al, '9'
        ja .letter
        movzx ecx, al
        sub ecx, '0'
        lodsb
.letter:
        mov edx, [ebx]
        add ebx, 4
        cmp al, 'd'
        je .decimal
        cmp al, 's'
        je .string
        cmp al, 'i'
        je .ipv4
        cmp al, 'm'
        je .mac
        mov byte [hex_letters], 'A' - 10
        cmp al, 'X'
        je .hex
        mov byte [hex_letters], 'a' - 10
.hex:   call put_hex
        jmp format
.decimal:
        call put_decimal
        jmp format
.string:
        mov al, [edx]
        inc edx
        test al, al
        jz format
        call put_char
        jmp .string
.ipv4:  call put_ipv4
        jmp format
.mac:   call put_mac
        jmp format
.end:   ret

; Writes al to edi where there is room for it.
put_char:
        cmp edi, [text_end]
        jae .full
        stosb
.full:  ret

; Writes edx with at least ecx digits.
put_hex:
        push eax
        push ecx
        push edx
        push ebp
        mov ebp, edx
        mov edx, 8
.digit: rol ebp, 4
        mov eax, ebp
        and eax, 15
        cmp edx, 1              ; the last digit is always written
        je .write
        cmp edx, ecx
        jbe .write
        test al, al
        jz .next
.write: mov ecx, edx            ; from here on none is left out
        cmp al, 10
        jae .letter
        add al, '0'
        jmp .put
.letter:
        add al, [hex_letters]
.put:   call put_char
.next:  dec edx
        jnz .digit
        pop ebp
        pop edx
        pop ecx
        pop eax
        ret

put_decimal:
        push eax
        push ecx
        push edx
        mov eax, edx
        mov ecx, 10
        xor edx, edx
        div ecx
        xchg eax, edx           ; eax is the last digit, edx what is before it
        test edx, edx
        jz .last
        call put_decimal
.last:  add al, '0'
        call put_char
        pop edx
        pop ecx
        pop eax
        ret

put_ipv4:
        push ecx
        push esi
        lea esi, [edx + 12]
        mov ecx, 4
.next:  movzx edx, byte [esi]
        inc esi
        call put_decimal
        mov al, '.'
        cmp ecx, 1
        je .last
        call put_char
.last:  loop .next
        pop esi
        pop ecx
        ret

put_mac:
        push ecx
        push esi
        mov esi, edx
        mov ecx, 6
.next:  movzx edx, byte [esi]
        inc esi
        push ecx
        mov ecx, 2
        mov byte [hex_letters], 'a' - 10
        call put_hex
        pop ecx
        mov al, ':'
        cmp ecx, 1
        je .last
        call put_char
.last:  loop .next
        pop esi
        pop ecx
        ret

        section .bss
text_end:    resd 1
hex_letters: resd 1
        section .text
