import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.metadata.placement.UsableBroker;
import org.apache.kafka.tools.reassign.ReassignPartitionsCommand;

/**
 * What `kafka-reassign-partitions --generate` proposes for a cluster that is given as text: `broker ID RACK` and
 * `partition TOPIC NUMBER ID,ID,ID`, each on a line. It prints the partitions in the same form, and how long Kafka's own code took.
 */
public class Proposal {
    @SuppressWarnings("unchecked")
    public static void main(String[] args) throws Exception {
        Map<TopicPartition, List<Integer>> now = new HashMap<>();
        List<UsableBroker> brokers = new ArrayList<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            if (words[0].equals("broker")) {
                brokers.add(new UsableBroker(Integer.parseInt(words[1]), Optional.of(words[2]), false));
            } else {
                List<Integer> replicas = Arrays.stream(words[3].split(",")).map(Integer::valueOf).toList();
                now.put(new TopicPartition(words[1], Integer.parseInt(words[2])), replicas);
            }
        }
        // The command reads both from a cluster before it comes to this; it has no other way in.
        Method calculate = ReassignPartitionsCommand.class.getDeclaredMethod("calculateAssignment", Map.class, List.class);
        calculate.setAccessible(true);
        long start = System.nanoTime();
        var proposal = (Map<TopicPartition, List<Integer>>) calculate.invoke(null, now, brokers);
        System.out.println("took " + (System.nanoTime() - start) / 1_000_000);
        StringBuilder out = new StringBuilder();
        proposal.forEach((one, replicas) -> {
            String ids = replicas.toString().replaceAll("[\\[\\] ]", "");
            out.append("partition ").append(one.topic()).append(' ').append(one.partition()).append(' ').append(ids).append('\n');
        });
        System.out.print(out);
    }
}
