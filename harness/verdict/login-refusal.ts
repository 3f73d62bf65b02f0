import type { SessionFacts } from "./session-facts.ts";

interface Refusal {
  readonly class: string;
  readonly words: string;
  readonly advice: (session: SessionFacts) => string;
}

/** RFC 7143, section 11.13.5: status class and detail of a login response. */
const refusals: Readonly<Record<string, Refusal>> = {
  "2.1": {
    class: "CHAP-REJECT",
    words: "authentication failed (0201)",
    advice: () => "User name or secret does not match the target's.",
  },
  "2.2": {
    class: "INITIATOR-NAME",
    words: "not authorised (0202)",
    advice: ({ initiator }) => `The target's access list does not have the initiator "${initiator ?? "?"}".`,
  },
  "2.3": {
    class: "TARGET-NOT-FOUND",
    words: "no such target (0203)",
    advice: ({ target }) => `The portal has no target "${target ?? "?"}": compare the name letter by letter.`,
  },
  "2.4": {
    class: "TARGET-NOT-FOUND",
    words: "the target has been removed (0204)",
    advice: ({ target }) => `"${target ?? "?"}" was there and is gone.`,
  },
  "2.6": {
    class: "SESSION-LIMIT",
    words: "too many connections (0206)",
    advice: () => "The target allows fewer connections than firmware and system need together.",
  },
  "3.1": {
    class: "TARGET-DOWN",
    words: "not operational (0301)",
    advice: () => "The target reports that it is not ready; try again when it is.",
  },
  "3.2": {
    class: "TARGET-BUSY",
    words: "out of resources (0302)",
    advice: () => "The target is out of sessions or memory.",
  },
};

export function loginRefusal(statusClass: number, detail: number): Refusal {
  const known = refusals[`${statusClass}.${detail}`];
  if (known !== undefined) return known;
  const status = `status ${hex(statusClass)}${hex(detail)}`;
  if (statusClass === 1) {
    return {
      class: "REDIRECT",
      words: `redirected (${status})`,
      advice: ({ refused }) =>
        `The target sends logins on to ${refused?.targetAddress ?? "another portal"}; is that reachable from the guest?`,
    };
  }
  return { class: "LOGIN-REFUSED", words: status, advice: () => "See the target's own log." };
}

function hex(value: number): string {
  return value.toString(16).padStart(2, "0");
}
