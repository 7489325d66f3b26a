// Follows what became of each reminder: reads delivery-status, and says each change once.
//
//   npm install
//   node subscriber.js localhost:9092 delivery-status ../../schemas/delivery_status.avsc
//
// A record may come again after a crash of Lapse, so for each reminder and medium only a greater sequence counts.
// kafkajs reads committed records only, unless readUncommitted is set.
import {readFileSync} from "node:fs";

import avro from "avsc";
import {Kafka, logLevel} from "kafkajs";

const [brokers, topic, schemaFile] = process.argv.slice(2);
const schema = avro.Type.forSchema(JSON.parse(readFileSync(schemaFile, "utf8")));

function decode(value) {
  if (value[0] !== 0xc3 || value[1] !== 0x01) {
    throw new Error("not in Avro single-object encoding: is a schema registry configured?");
  }
  return schema.fromBuffer(value.subarray(10)); // after 8 bytes of the schema's fingerprint
}

const consumer = new Kafka({brokers: brokers.split(","), logLevel: logLevel.ERROR}).consumer({groupId: "subscriber-node"});
const latest = new Map();
await consumer.connect();
await consumer.subscribe({topic, fromBeginning: true});
await consumer.run({
  eachMessage: async ({message}) => {
    const {reminder_id, user_id, process, medium, sequence, status, reason, final} = decode(message.value);
    const key = `${reminder_id} ${medium}`;
    if (sequence <= (latest.get(key) ?? 0)) return; // a repeat
    latest.set(key, sequence);
    console.log(JSON.stringify({user_id, process, medium, sequence, status, reason, final}));
  },
});
