// Signing in, and what every page must hold.
import { test as base, expect } from "@playwright/test";

export { expect };

export const data = process.env;

// Every test fails on a dialog, on an error of a script and on a message of the browser's console,
// such as a breach of the content security policy. Answers with an error status are no breach.
export const test = base.extend({
    page: async ({ page }, use) => {
        const faults = [];
        page.on("dialog", (dialog) => {
            faults.push(`dialog: ${dialog.message()}`);
            dialog.dismiss();
        });
        page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
        page.on("console", (message) => {
            const isStatus = /the server responded with a status of 4\d\d/.test(message.text());
            if (message.type() === "error" && !isStatus) faults.push(`console: ${message.text()}`);
        });
        await use(page);
        expect(faults).toEqual([]);
    },
});

export async function signIn(page, key = data.ADMIN_KEY) {
    await page.goto("/console/sign-in");
    await page.getByLabel("API key").fill(key);
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("heading", { name: "Search", level: 1 })).toBeVisible();
}

// Fills the form for a transfer and returns at its preview.
export async function preview(page, { from = data.FROM, to = data.TO, amount, description = "" }) {
    await page.goto("/console/transfer");
    await page.getByLabel("From account").fill(from);
    await page.getByLabel("To account").fill(to);
    await page.getByLabel("Amount").fill(amount);
    await page.getByLabel("Description").fill(description);
    await page.getByRole("button", { name: "Preview" }).click();
    await expect(page.getByText("nothing has moved yet")).toBeVisible();
}

// Returns the balance on an account's page.
export async function balance(page, account) {
    await page.goto(`/console/accounts/${account}`);
    const shown = await page.locator(".figures .main dd").innerText();
    return Number(shown.replace(/[^0-9.]/g, ""));
}
