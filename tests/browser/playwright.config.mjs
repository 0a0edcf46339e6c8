// The browser tests of the console; .ci/check-console starts the service and sets the variables.
import { defineConfig } from "@playwright/test";

export default defineConfig({
    testDir: ".",
    fullyParallel: true,
    workers: 2,
    timeout: 30_000,
    forbidOnly: true,
    reporter: [["list"]],
    outputDir: "../../target/browser-tests",
    use: {
        baseURL: process.env.CONSOLE_URL,
        screenshot: "only-on-failure",
        viewport: { width: 1400, height: 900 },
        launchOptions: {
            executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
            // Chromium's own sandbox does not work as root in a container.
            args: process.getuid() === 0 ? ["--no-sandbox"] : [],
        },
    },
});
