// The classic service, which the benchmarks compare with: a process of Node.js for each processor, a
// pool of connections, and for each transfer a transaction that locks its two rows.
//
// It writes the same tables as the ledger, with the same triggers. Its statements are prepared, it
// locks both rows with one statement and in one order, and it relies on the unique constraint for the
// idempotency key: each alternative would be slower.

import cluster from "node:cluster";
import { createHash, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import pg from "pg";

const { CLASSIC_URL, CLASSIC_PROCESSES, CLASSIC_CONNECTIONS, CLASSIC_TOKEN } = process.env;

const LOCK = {
  name: "lock",
  text: `SELECT account_id, current_balance::numeric AS balance, available_balance >= $3 AS suffices,
                current_balance::numeric - $3 AS less, current_balance::numeric + $3 AS more,
                last_entry_number, greatest(clock_timestamp(), last_entry_at)::text AS now
         FROM banking.accounts WHERE account_id IN ($1, $2) AND account_status = 'active'
         ORDER BY account_id FOR NO KEY UPDATE`,
};
const INSERT_TRANSFER = {
  name: "transfer",
  text: `INSERT INTO banking.transfers
             (transfer_id, transfer_type, from_account_id, to_account_id, from_entry_number,
              to_entry_number, amount, currency_code, description, idempotency_key, request_hash,
              posted_at)
         VALUES ($1, 'transfer', $2, $3, $4, $5, $6, $7, '', $8, $9, $10)`,
};
const INSERT_ENTRIES = {
  name: "entries",
  text: `INSERT INTO banking.transactions
             (transaction_id, transfer_id, account_id, entry_number, transaction_type, amount,
              currency_code, running_balance, description, transaction_date)
         VALUES ($1, $2, $3, $4, 'debit', $5, $6, $7, 'Transfer', $8),
                ($9, $2, $10, $11, 'credit', $5, $6, $12, 'Transfer', $8)`,
};

class Rejection extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function transfer(pool, key, { from, to, amount }) {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const { rows } = await client.query({ ...LOCK, values: [from, to, amount.amount] });
    const payer = rows.find((row) => row.account_id === from);
    const payee = rows.find((row) => row.account_id === to);
    if (!payer || !payee) throw new Rejection(404, "the account is not active");
    if (!payer.suffices) throw new Rejection(422, "too little money");
    const id = randomUUID();
    const postedAt = payer.now > payee.now ? payer.now : payee.now;
    const debit = BigInt(payer.last_entry_number) + 1n;
    const credit = BigInt(payee.last_entry_number) + 1n;
    const hash = createHash("sha256").update(JSON.stringify([from, to, amount])).digest();
    const { currency } = amount;
    await client.query({
      ...INSERT_TRANSFER,
      values: [id, from, to, debit, credit, amount.amount, currency, key, hash, postedAt],
    });
    await client.query({
      ...INSERT_ENTRIES,
      values: [
        ...[randomUUID(), id, from, debit, amount.amount, currency, payer.less, postedAt],
        ...[randomUUID(), to, credit, payee.more],
      ],
    });
    await client.query("COMMIT");
    client.release();
    return { transfer_id: id, posted_at: postedAt, amount };
  } catch (error) {
    await client.query("ROLLBACK").then(() => client.release(), (lost) => client.release(lost));
    throw error;
  }
}

async function answer(pool, request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  let status = 201;
  let body;
  try {
    if (request.headers.authorization !== `Bearer ${CLASSIC_TOKEN}`) {
      throw new Rejection(401, "the token is wrong");
    }
    if (request.method !== "POST" || request.url !== "/v1/transfers") {
      throw new Rejection(404, "there is no such resource");
    }
    const asked = JSON.parse(Buffer.concat(parts).toString());
    body = await transfer(pool, request.headers["idempotency-key"], asked);
  } catch (error) {
    status = error.status ?? 500;
    body = { title: error.message };
  }
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

if (cluster.isPrimary) {
  // The benchmark holds the other end: the service ends with it, however it ends.
  process.stdin.resume().on("end", () => process.exit());
  for (let started = 0; started < Number(CLASSIC_PROCESSES); started += 1) cluster.fork();
  cluster.on("exit", () => process.exit(1));
  let ready = 0;
  cluster.on("listening", (_, { port }) => {
    ready += 1;
    if (ready === Number(CLASSIC_PROCESSES)) console.log(port);
  });
} else {
  const max = Math.max(1, Math.floor(Number(CLASSIC_CONNECTIONS) / Number(CLASSIC_PROCESSES)));
  const pool = new pg.Pool({ connectionString: CLASSIC_URL, max });
  process.on("disconnect", () => process.exit());
  createServer((request, response) => answer(pool, request, response)).listen(0, "127.0.0.1");
}
