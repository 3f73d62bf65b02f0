/**
 * The edge cases of the protocol that a host has to survive, and the tests that show it: the test file and a part of the
 * test's title. The numbers are those of the project's description of the protocol.
 */
export const edgeCases: Readonly<Record<number, readonly (readonly [file: string, title: string])[]>> = {
  // Text or garbage before a leader.
  1: [["framer", "text before a leader"]],
  // Leader, header, body and trailer split anywhere.
  2: [["edge-cases", "row 2: a line cut after every byte, and at every single byte, tells the same"]],
  3: [["framer", "several packets in one read"]],
  // Four equal bytes inside text.
  4: [["framer", "leaders inside text"]],
  5: [["framer", "more zeros right before a leader"]],
  // A leader, then nothing.
  6: [
    ["framer", "what is cut off is text once nothing more comes"],
    ["link", "what is left of a cut packet is text, and nothing is sent for it"],
  ],
  7: [
    ["framer", "a wrong checksum, and the next packet"],
    ["link", "a damaged packet is asked for again, never acknowledged"],
  ],
  8: [["framer", "a wrong trailer, and the next packet"]],
  9: [
    ["framer", "a count above 4000 is garbage at once"],
    ["framer", "a count below the message's fixed part is garbage"],
  ],
  10: [["framer", "a data packet without a body"]],
  // Our acknowledgement is lost.
  11: [["link", "a repeat is acknowledged again and not delivered"]],
  12: [["link", "repeats of a SYNC packet are told by their body"]],
  // The guest's acknowledgement is lost.
  13: [["link", "a new packet instead of the ACK says that ours has arrived; a repeat does not"]],
  14: [["link", "an ACK with another number is ignored"]],
  15: [["link", "RESEND brings the same packet with the same number, a bounded number of times"]],
  16: [["link", "RESEND without anything on the way is ignored"]],
  17: [
    [
      "link",
      "a RESET from the kernel drops what is on the way, begins at the initial number and is answered once",
    ],
    ["host", "a request without an answer brings a RESET, after which the same stop is served and told once"],
  ],
  18: [["link", "our RESET is not answered with another when the kernel's comes"]],
  // SYNC in mid-session.
  19: [
    ["link", "a SYNC in mid-session drops what is on the way"],
    ["link", "the same first packet after a whole session is a new session"],
  ],
  // Attaching to a guest that runs.
  20: [
    ["host", "a break-in stops a running kernel until it is resumed"],
    ["host", "a stop that another debugger left is found again by a break-in's RESET"],
  ],
  // Two break-ins.
  21: [["host", "a stop that nobody asked for twice is continued again"]],
  22: [["edge-cases", "row 22: a break-in while a packet is being acknowledged"]],
  // A break-in is a keystroke to whoever owns the port before the kernel.
  23: [["host", "not one byte goes to a line on which no kernel has spoken"]],
  24: [["edge-cases", "row 24: nothing but a break-in goes to a kernel that runs"]],
  25: [["host", "a prompt and a file are answered, so that the kernel does not wait for ever"]],
  26: [["host", "a prompt and a file are answered, so that the kernel does not wait for ever"]],
  // Types that are not known, or never on a line.
  27: [
    ["link", "is acknowledged and delivered as it is"],
    ["messages", "messages that are not known are told by type and length"],
  ],
  28: [
    ["host", "the program counter is set behind an int3, and left alone at a module's"],
    ["host", "a kernel that stops at one place for ever is given up"],
  ],
  29: [["host", "so is one at its second chance"]],
  // The stop after a bugcheck comes for ever.
  30: [["host", "a bugcheck is told from its print, continued once, and at its second stop all is known"]],
  31: [["edge-cases", "row 31: a read that fails half-way gives what it got, and is not asked again"]],
  32: [["edge-cases", "row 32: prints and replies to something else between a request and its reply"]],
  33: [["edge-cases", "row 33: a guest that starts anew before it replies fails the request"]],
  34: [["messages", "a module without a path at address -1 is the end of the session"]],
  35: [
    ["messages", "a module's path is the body's end, whatever its length says, without NUL and in Latin-1"],
  ],
  36: [["messages", "a print whose length reaches beyond its body is cut to it"]],
  37: [["messages", "prints are joined to lines: cut anywhere, with NULs, CRs and no end"]],
  38: [["messages", "a line without an end is cut, not collected"]],
  39: [
    [
      "edge-cases",
      "row 39: what a host that stood still finds at once is acknowledged copy by copy and told once",
    ],
  ],
  40: [
    ["host", "a closed line is the end of the session, with what was learnt"],
    ["link", "a line joined in the middle is taken as it comes"],
  ],
  // The guest has given us up, or has died.
  41: [["host", "a kernel that dies is asked once whether it runs, and then lost"]],
  42: [["framer", "text and packets of a shared port in any order"]],
  43: [["edge-cases", "row 43: boot manager, loader and kernel are sessions with versions of their own"]],
  44: [["edge-cases", "row 44: addresses of a 32-bit kernel are the same with and without their sign"]],
  45: [["host", "the processor that stopped is the one asked"]],
  46: [
    ["edge-cases", "row 46: a stop costs one acknowledgement and one Continue, both sent at once"],
    ["edge-cases", "row 46: reading the processes asks once for each, and nothing else"],
  ],
};
