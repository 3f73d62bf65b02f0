import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import { KdHost, type KdEvent } from "#kd";
import { assemble } from "#option-rom";
import { data, moduleBody, print, printBody, promptBody } from "./frames.ts";
import { version32 } from "./windows.ts";

/**
 * A boot sector that loads what follows it: a program that sends the frames of a table over COM1, each until its
 * acknowledgement with the right number has come, and in between takes and acknowledges what a debugger sends.
 */
const program = `
        cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        sti
        cld
        mov ax, sectors+0x200
        mov bx, 0x7e00
        mov cx, 2
        mov dh, 0
        int 0x13
        mov dx, 0x3fb
        mov al, 0x80
        out dx, al
        mov dx, 0x3f8
        mov al, 1
        out dx, al
        inc dx
        xor al, al
        out dx, al
        mov dx, 0x3fb
        mov al, 3
        out dx, al
        mov si, 0x7e00
next:   lodsw
        cmp ax, 1
        je send
        cmp ax, 2
        je take
stop:   hlt
        jmp short stop
send:   lodsw
        mov bx, si
        mov bp, ax
again:  mov si, bx
        mov cx, bp
        call write
        mov di, 0x6000
        mov cx, 16
answer: call get
        jc again
        stosb
        loop answer
        mov al, [0x6004]
        cmp al, 4
        jne again
        mov al, [0x6008]
        cmp al, [bx+8]
        jne again
        mov si, bx
        add si, bp
        jmp next
take:   push si
whole:  mov di, 0x6000
        mov cx, 16
head:   call get
        jc head
        stosb
        loop head
        mov al, [0x6000]
        cmp al, 0x30
        jne whole
        mov cx, [0x6006]
        inc cx
body:   call get
        jc body
        loop body
        mov di, 0x6000
        mov ax, 0x6969
        stosw
        stosw
        mov ax, 4
        stosw
        xor ax, ax
        stosw
        add di, 4
        stosw
        stosw
        mov si, 0x6000
        mov cx, 16
        call write
        pop si
        jmp next
write:  mov dx, 0x3fd
ready:  in al, dx
        test al, 0x20
        je ready
        mov dx, 0x3f8
        lodsb
        out dx, al
        loop write
        ret
get:    push cx
        push bx
        mov bx, 16
        mov cx, 0
        mov dx, 0x3fd
poll:   in al, dx
        test al, 1
        jne there
        loop poll
        dec bx
        jne poll
        pop bx
        pop cx
        stc
        ret
there:  mov dx, 0x3f8
        in al, dx
        pop bx
        pop cx
        clc
        ret
`;

function floppy(steps: readonly (Buffer | "take")[]): Buffer {
  const table = Buffer.concat([
    ...steps.map((step) => (step === "take" ? word(2) : Buffer.concat([word(1), word(step.length), step]))),
    word(0),
  ]);
  const sectors = Math.ceil(table.length / 512);
  const image = Buffer.alloc(1440 * 1024);
  image.set(assemble(program, { origin: 0x7c00, symbols: { sectors } }));
  image.writeUInt16LE(0xaa55, 510);
  table.copy(image, 512);
  return image;
}

function word(value: number): Buffer {
  return Buffer.of(value & 0xff, value >> 8);
}

test("a guest in QEMU that speaks the protocol over its UART is heard, answered and let go on", async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), "sanlab-kd-"));
  const [socketPath, image] = [path.join(folder, "com1.sock"), path.join(folder, "floppy.img")];
  const version = Buffer.concat([Buffer.alloc(16), version32()]);
  version.writeUInt32LE(0x3146, 0);
  await writeFile(
    image,
    floppy([
      print(0x8080_0800, "one\n"),
      data(7, 0x8080_0001, moduleBody({ path: "\\a.sys" })),
      "take",
      data(2, 0x8080_0000, version),
      "take",
      print(0x8080_0001, "two\n"),
      data(3, 0x8080_0000, promptBody("Ignore?", 2)),
      "take",
      data(3, 0x8080_0001, printBody("three\n")),
    ]),
  );
  const serial = `unix:${socketPath},server=on,wait=on`;
  const qemu = spawn(
    "qemu-system-x86_64",
    ["-accel", "tcg", "-display", "none", "-monitor", "none", "-nic", "none", "-serial", serial].concat(
      "-drive",
      `file=${image},if=floppy,format=raw`,
    ),
    { stdio: "ignore" },
  );
  const ended = once(qemu, "exit");
  try {
    while ((await stat(socketPath).catch(() => undefined)) === undefined && qemu.exitCode === null)
      await new Promise(setImmediate);
    const socket = createConnection(socketPath);
    await once(socket, "connect");
    const events: KdEvent[] = [];
    const { promise: said, resolve } = Promise.withResolvers<void>();
    await using host = new KdHost(socket, {
      onEvent: (event) => {
        events.push(event);
        if (event.kind === "print" && event.text === "three\n") resolve();
      },
    });
    await Promise.race([said, host.finished]);
    t.deepEqual(
      events.flatMap((event) => (event.kind === "text" ? [] : [event.kind])),
      ["session", "print", "module", "version", "print", "prompt", "print"],
    );
    t.like(host.summary, { prints: 3, modules: 1, damaged: 0 });
  } finally {
    qemu.kill();
    await ended;
    await rm(folder, { recursive: true });
  }
});
