/** Enters the private namespaces: arguments are the options as JSON, then what the inner program gets. */
import path from "node:path";
import { SanlabError } from "#core";
import { enterPrivateNamespace, probeNamespaces, type EnterOptions } from "#harness/network";

const [options = "{}", ...inner] = process.argv.slice(2);
const given: { readonly probeOnly?: true; readonly abort?: true } & Pick<
  EnterOptions,
  "graceMs" | "support"
> = JSON.parse(options);

if (given.probeOnly) {
  console.log(JSON.stringify(await probeNamespaces()));
} else {
  try {
    const controller = new AbortController();
    process.on("SIGUSR2", () => controller.abort());
    process.exitCode = await enterPrivateNamespace({
      ...given,
      argv: [path.join(import.meta.dirname, "inner.ts"), ...inner],
      env: { ...process.env, SANLAB_TEST: "as given" },
      signal: controller.signal,
    });
  } catch (error) {
    if (!(error instanceof SanlabError)) throw error;
    console.log(JSON.stringify({ code: error.code, message: error.message }));
    process.exitCode = error.exitStatus;
  }
}
