export default {
  extensions: ["ts"],
  files: ["test/**/*.test.ts", "src/ts-iscsi-pdu/test/**/*.test.ts", "!test/boot/**"],
  nodeArguments: ["--conditions=source"],
  timeout: "2m",
};
