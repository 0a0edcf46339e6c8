// Moves money with a client whose types are generated from the description of the API.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./neobank.d.ts";

function environment(name: string): string {
  const value = process.env[name];
  assert(value, `${name} is missing`);
  return value;
}

const client = createClient<paths>({
  baseUrl: environment("NEOBANK_ADDRESS"),
  headers: { Authorization: `Bearer ${environment("NEOBANK_KEY")}` },
});
const request = {
  params: { header: { "Idempotency-Key": "typescript-client" } },
  body: {
    from: environment("NEOBANK_FROM"),
    to: environment("NEOBANK_TO"),
    amount: { amount: "12.50", currency: "CZK" },
  },
};
const first = await client.POST("/v1/transfers", request);
assert(first.data, JSON.stringify(first.error));
const again = await client.POST("/v1/transfers", request);
assert.equal(again.data?.transfer_id, first.data.transfer_id);
assert.equal(again.response.headers.get("Idempotency-Replayed"), "true");

const transfer_id = first.data.transfer_id;
const shown = await client.GET("/v1/transfers/{transfer_id}", { params: { path: { transfer_id } } });
assert.equal(shown.data?.amount.amount, "12.50");

const other = await client.POST("/v1/transfers", {
  ...request,
  body: { ...request.body, amount: { amount: "1.00", currency: "CZK" } },
});
assert.equal(other.error?.kind, "key_reused");
console.log(`TypeScript: transfer ${transfer_id} moved ${shown.data.amount.amount} CZK once`);
