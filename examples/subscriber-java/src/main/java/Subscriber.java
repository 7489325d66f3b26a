import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Follows what became of each reminder: reads delivery-status, and says each change once.
 *
 * <pre>
 * mvn compile exec:java -Dexec.args="localhost:9092 delivery-status ../../schemas/delivery_status.avsc"
 * </pre>
 *
 * A record may come again after a crash of Lapse, so for each reminder and medium only a greater sequence counts. With a
 * schema registry, its KafkaAvroDeserializer takes the place of {@code decode}.
 */
public final class Subscriber {
  private final GenericDatumReader<GenericRecord> reader;
  private final Map<String, Long> latest = new HashMap<>();

  Subscriber(Schema schema) {
    reader = new GenericDatumReader<>(schema);
  }

  public static void main(String[] arguments) throws IOException {
    var schema = new Schema.Parser().parse(Path.of(arguments[2]).toFile());
    var settings = new Properties();
    settings.put("bootstrap.servers", arguments[0]);
    settings.put("group.id", "subscriber-java");
    settings.put("auto.offset.reset", "earliest");
    settings.put("isolation.level", "read_committed"); // never a record of a transaction that was aborted
    var deserializer = new ByteArrayDeserializer();
    try (var consumer = new KafkaConsumer<>(settings, deserializer, deserializer)) {
      consumer.subscribe(List.of(arguments[1]));
      var subscriber = new Subscriber(schema);
      var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
      while (true) {
        for (ConsumerRecord<byte[], byte[]> each : consumer.poll(Duration.ofSeconds(1))) {
          var status = subscriber.decode(each.value());
          if (subscriber.isNews(status)) {
            out.println(status); // as JSON
          }
        }
      }
    }
  }

  /** Returns the record in a value in Avro single-object encoding. */
  private GenericRecord decode(byte[] value) throws IOException {
    if (value[0] != (byte) 0xC3 || value[1] != 0x01) {
      throw new IOException("not in Avro single-object encoding: is a schema registry configured?");
    }
    // After 8 bytes of the schema's fingerprint.
    return reader.read(null, DecoderFactory.get().binaryDecoder(value, 10, value.length - 10, null));
  }

  private boolean isNews(GenericRecord status) {
    var key = status.get("reminder_id") + " " + status.get("medium");
    long sequence = (long) status.get("sequence");
    if (sequence <= latest.getOrDefault(key, 0L)) {
      return false; // a repeat
    }
    latest.put(key, sequence);
    return true;
  }
}
