import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import org.netbeans.lib.profiler.heap.Heap;
import org.netbeans.lib.profiler.heap.HeapFactory;
import org.netbeans.lib.profiler.heap.Instance;

/**
 * Reads lines of id, retained bytes, class and ids of what is held, and says which of them the NetBeans heap library agrees
 * with. Its shallow sizes are others (not aligned): what is held is summed up in these.
 */
class Retained {
    public static void main(String[] arguments) throws Exception {
        List<String[]> rows = new ArrayList<>();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            rows.add(line.split("\t"));
        }
        Heap heap = HeapFactory.createHeap(new File(arguments[0]));
        int equal = 0;
        int known = 0;
        for (String[] row : rows) {
            Instance object = heap.getInstanceByID(Long.parseUnsignedLong(row[0]));
            long ours = 0;
            for (String id : row[4].split(" ")) {
                Instance held = heap.getInstanceByID(Long.parseUnsignedLong(id));
                ours += held == null ? 0 : held.getSize();
            }
            if (object == null) {
                System.out.printf("%s %s: %d, no instance there%n", row[0], row[2], ours);
                continue;
            }
            known++;
            long theirs = object.getRetainedSize();
            if (ours == theirs) {
                equal++;
            } else {
                System.out.printf("%s %s: %d here, %d there (%.3f)%n",
                        row[0], row[2], ours, theirs, (double) theirs / ours);
            }
        }
        System.out.printf("%d of %d equal, %d of them known there%n", equal, rows.size(), known);
    }
}
