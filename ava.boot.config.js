// Boots share two cores: one file after another, each in a process of its own.
export default {
  extensions: ["ts"],
  files: ["test/boot/**/*.test.ts"],
  nodeArguments: ["--conditions=source"],
  workerThreads: false,
  concurrency: 1,
  serial: true,
  timeout: "5m",
};
