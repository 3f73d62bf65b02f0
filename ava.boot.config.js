// Two boots at a time, one for each core: files side by side, each in a process of its own, their tests one after another.
export default {
  extensions: ["ts"],
  files: ["test/boot/**/*.test.ts"],
  nodeArguments: ["--conditions=source"],
  workerThreads: false,
  concurrency: 2,
  timeout: "5m",
};
