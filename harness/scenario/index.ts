export { loadScenario, parseScenario, scenarioFrom } from "./load.ts";
