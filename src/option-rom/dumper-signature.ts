/** Goes to `found` where one of the three signatures of the table lies at es:di, elsewhere to `other`. */
export const ifSigned = (found: string, other: string): string => `
        cmp word [es:di+2], 0x5446
        jne ${other}
        cmp word [es:di], 0x4269
        je ${found}
        cmp word [es:di], 0x4249
        je ${found}
        cmp word [es:di], 0x4942
        jne ${other}`;
