// Writes the pictures of docs/images where IMAGES is set.
import { data, preview, signIn, test } from "./common.mjs";

test.skip(!data.IMAGES, "IMAGES is not set");

const folder = "../../docs/images";

for (const colorScheme of ["light", "dark"]) {
    test.describe(colorScheme, () => {
        test.use({ viewport: { width: 1000, height: 720 }, colorScheme });

        test("account and preview", async ({ page }) => {
            await signIn(page);
            await page.goto(`/console/accounts/${data.FROM}`);
            await page.screenshot({ path: `${folder}/console-account-${colorScheme}.png` });
            await preview(page, { amount: "14900.00", description: "Rent, December" });
            await page.screenshot({ path: `${folder}/console-preview-${colorScheme}.png` });
        });
    });
}

test.describe("narrow", () => {
    test.use({ viewport: { width: 320, height: 720 } });

    test("account", async ({ page }) => {
        await signIn(page);
        await page.goto(`/console/accounts/${data.FROM}`);
        await page.screenshot({ path: `${folder}/console-account-narrow.png` });
    });
});
