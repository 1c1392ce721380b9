// The program that java_test.py runs on libc and on memalloc.so.
//
// Role: threads that share maps, streams and lambdas for the compilers, zlib
// and direct buffers for malloc, many short threads, and garbage enough for
// several collections in a heap of 256 MB.
// Invariants: prints digests in a fixed order; no clock, no identity hash.
// Locking: the concurrent collections' own.
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

public class Work {
  static String digest(byte[] data) throws Exception {
    byte[] hash = MessageDigest.getInstance("SHA-256").digest(data);
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 12; i++) {
      text.append(String.format("%02x", hash[i]));
    }
    return text.toString();
  }

  static String digest(String text) throws Exception {
    return digest(text.getBytes(StandardCharsets.UTF_8));
  }

  // A deflater's window and tables are native memory.
  static String pack(int seed) throws Exception {
    Random random = new Random(seed);
    byte[] plain = new byte[200_000];
    for (int i = 0; i < plain.length; i++) {
      plain[i] = (byte) (random.nextInt(20) * random.nextInt(5));
    }
    ByteBuffer packed = ByteBuffer.allocateDirect(plain.length + 1000);
    Deflater deflater = new Deflater(1 + seed % 9);
    deflater.setInput(plain);
    deflater.finish();
    while (!deflater.finished()) {
      deflater.deflate(packed);
    }
    deflater.end();
    packed.flip();
    byte[] bytes = new byte[packed.remaining()];
    packed.duplicate().get(bytes);
    Inflater inflater = new Inflater();
    inflater.setInput(packed);
    byte[] again = new byte[plain.length];
    int count = inflater.inflate(again);
    inflater.end();
    if (count != plain.length || !java.util.Arrays.equals(plain, again)) {
      throw new IllegalStateException("round trip of " + seed);
    }
    return digest(bytes);
  }

  static String collect(int seed, ConcurrentHashMap<String, Integer> shared) {
    Random random = new Random(seed);
    List<String> words = new ArrayList<>();
    for (int i = 0; i < 30_000; i++) {
      String word = "word " + random.nextInt(5000);
      shared.merge(word, 1, Integer::sum);
      words.add(word);
    }
    return words.stream()
        .collect(Collectors.groupingBy(w -> w.length(), TreeMap::new,
            Collectors.mapping(w -> w.hashCode() % 97, Collectors.toSet())))
        .entrySet().stream()
        .map(e -> e.getKey() + ":" + e.getValue().stream().sorted().toList())
        .collect(Collectors.joining(";"));
  }

  public static void main(String[] arguments) throws Exception {
    ConcurrentHashMap<String, Integer> shared = new ConcurrentHashMap<>();
    ExecutorService pool = Executors.newFixedThreadPool(6);
    List<Callable<String>> tasks = new ArrayList<>();
    for (int i = 0; i < 24; i++) {
      int seed = i;
      tasks.add(() -> digest(collect(seed, shared)) + " " + pack(seed));
    }
    int number = 0;
    for (Future<String> answer : pool.invokeAll(tasks)) {
      System.out.println("task " + number++ + " " + answer.get());
    }
    pool.shutdown();
    System.out.println("shared " + digest(new TreeMap<>(shared).toString()));

    for (int wave = 0; wave < 10; wave++) {
      List<Thread> threads = IntStream.range(0, 20)
          .mapToObj(i -> new Thread(() -> shared.remove("word " + i)))
          .toList();
      threads.forEach(Thread::start);
      for (Thread thread : threads) {
        thread.join();
      }
    }
    System.out.println("left " + shared.size());
    long sum = 0;
    for (int i = 0; i < 2_000_000; i++) {
      sum += new ArrayList<>(List.of(i, i + 1, i * 2)).hashCode() % 1000;
    }
    System.out.println("sum " + sum);
    System.out.println("done");
  }
}
