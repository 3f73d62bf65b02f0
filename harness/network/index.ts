/**
 * The lab's wires, and the private place they are in.
 *
 * `enterPrivateNamespace` runs the program again inside network, process and mount namespaces of its own, so that TAP
 * devices, addresses and servers there touch nothing of the machine, and the death of any link of the chain takes the
 * rest with it. `createWire` lays an Ethernet segment in there, with the host as one end and a virtual machine as the
 * other; `userNetwork` is what remains where a system forbids all that. Used by the lab, the scenario runner and the
 * command line.
 *
 * Never done here: changing a network that this process did not get for itself, and speaking any protocol above ARP.
 */
export { probePrivateNetwork, tunFault } from "./private-network.ts";
export { probeNamespaces, type NamespaceKind, type NamespaceSupport } from "./namespace-support.ts";
export { enterPrivateNamespace, type EnterOptions } from "./enter-namespace.ts";
export { adoptPrivateNamespace, type PrivateNamespace } from "./inside-namespace.ts";
export { createWire, type Wire, type WireOptions, type WirePort } from "./wire.ts";
export { userNetwork, type UserNetwork, type UserNetworkOptions } from "./user-network.ts";
export { run as runTool, toolEnvironment, type ToolResult } from "./run-tool.ts";
