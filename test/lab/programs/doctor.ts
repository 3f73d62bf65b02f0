/** Prints the checks of the machine as this process sees it. */
import { diagnoseMachine } from "#harness/lab";

console.log(JSON.stringify(await diagnoseMachine()));
