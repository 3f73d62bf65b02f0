; Time by polling the timer chip: its channel 0 counts down from 65536 again and again.

TICKS_PER_MILLISECOND equ 1193

time_start:
        push eax
        mov al, 0x34            ; channel 0, both bytes, rate generator
        out 0x43, al
        xor al, al
        out 0x40, al
        out 0x40, al
        movzx eax, word [SETTING_TRIES]
        mov [tries], eax
        imul eax, [SETTING_TIMEOUT], TICKS_PER_MILLISECOND
        mov [time_out], eax
        call ticks
        pop eax
        ret

; Answers in eax how many ticks have gone by. Whoever is away for longer than one round of the counter (55 ms) misses rounds,
; so that no time-out is over because the machine stood still.
ticks:  push ecx
        xor al, al              ; holds the count of channel 0 for reading
        out 0x43, al
        in al, 0x40
        mov ah, al
        in al, 0x40
        xchg al, ah
        mov cx, [last_count]
        mov [last_count], ax
        sub cx, ax
        movzx ecx, cx
        add [ticks_gone], ecx
        mov eax, [ticks_gone]
        pop ecx
        ret

        section .bss
ticks_gone: resd 1
time_out:   resd 1              ; in ticks
tries:      resd 1
last_count: resd 1
        section .text
