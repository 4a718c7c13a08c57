import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Prints Kafka's own definitions of its settings as CSV without quotes, from the jars of one or several versions:
 *
 *     java Definitions.java settings VERSION=CLASSPATH...    the settings of brokers and controllers
 *     java Definitions.java topics   VERSION=CLASSPATH...    the settings of topics, and the brokers' settings that they override
 *     java Definitions.java features VERSION=CLASSPATH...    the features that Kafka has, with the levels that it supports and the one that it begins with
 *     java Definitions.java levels   VERSION=CLASSPATH       the levels of metadata.version, and whether each changed how metadata is written
 *     java Definitions.java judge    VERSION=CLASSPATH       whether a broker starts with each server.properties of its input
 *
 * Versions are given from the oldest to the newest. A definition that is the same in versions that follow one another is one row,
 * with the first version that has it (`from`, empty for the first of all) and the first that does not any more (`before`, empty for
 * none). Everything is read by reflection, since each version is in a class loader of its own and classes have moved between them.
 *
 * The column `takes` is what the validator lets pass: `1..9` (either end may be absent), `1..9 or -1`, `a|b` for one of these
 * words, after `nocase` if in any case; for lists `a|b` too, after `nonempty` and `distinct`. Empty is anything of the type.
 */
public class Definitions {
    private static final String NONE = "null";

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("judge")) {
            judge(loader(arguments[1].split("=", 2)[1]));
            return;
        }
        if (arguments[0].equals("levels")) {
            levels(loader(arguments[1].split("=", 2)[1]));
            return;
        }
        Map<String, TreeMap<String, String>> versions = new LinkedHashMap<>();
        for (int i = 1; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            ClassLoader kafka = loader(pair[1]);
            Thread.currentThread().setContextClassLoader(kafka);
            versions.put(pair[0], switch (arguments[0]) {
                case "topics" -> topics(kafka);
                case "features" -> features(kafka);
                default -> settings(kafka);
            });
        }
        System.out.println(switch (arguments[0]) {
            case "topics" -> "name,overrides,from,before";
            case "features" -> "name,min,max,default,from,before";
            default -> "name,type,takes,default,update,internal,from,before";
        });
        merged(versions).forEach(System.out::println);
    }

    /**
     * For each server.properties of the input, which end with a line `---`, a line with `taken` or with what Kafka has against it. It
     * is what a broker makes of its file before it does anything.
     */
    private static void judge(ClassLoader kafka) throws Exception {
        Thread.currentThread().setContextClassLoader(kafka);
        Constructor<?> config = Class.forName("kafka.server.KafkaConfig", true, kafka).getConstructor(Map.class, boolean.class);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        StringBuilder text = new StringBuilder();
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            if (!line.equals("---")) {
                text.append(line).append('\n');
                continue;
            }
            Properties properties = new Properties();
            properties.load(new StringReader(text.toString()));
            text.setLength(0);
            try {
                config.newInstance(properties, false);
                System.out.println("taken");
            } catch (InvocationTargetException refused) {
                System.out.println(refused.getCause().toString().replace('\n', ' '));
            }
        }
    }

    /** A loader that sees this class path and Java itself, so that versions do not see each other. */
    private static ClassLoader loader(String classPath) throws Exception {
        List<URL> urls = new ArrayList<>();
        for (String entry : classPath.split(File.pathSeparator)) {
            urls.add(new File(entry).toURI().toURL());
        }
        return new URLClassLoader(urls.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
    }

    /** By name, the rest of the row. */
    private static TreeMap<String, String> settings(ClassLoader kafka) throws Exception {
        Object definitions = first(kafka, new String[][] {
            {"org.apache.kafka.server.config.AbstractKafkaConfig", "CONFIG_DEF"},
            {"kafka.server.KafkaConfig$", "configDef"},
        });
        Map<?, ?> updates = (Map<?, ?>) first(kafka, new String[][] {
            {"org.apache.kafka.server.config.DynamicBrokerConfig", "dynamicConfigUpdateModes"},
            {"kafka.server.DynamicBrokerConfig$", "dynamicConfigUpdateModes"},
        });
        TreeMap<String, String> rows = new TreeMap<>();
        for (Object key : ((Map<?, ?>) call(definitions, "configKeys")).values()) {
            String name = (String) get(key, "name");
            Object update = updates.get(name);
            String type = get(key, "type").toString().toLowerCase();
            boolean internal = (boolean) get(key, "internalConfig");
            Object value = (boolean) call(key, "hasDefault") ? get(key, "defaultValue") : null;
            rows.put(name, String.join(",", type, takes(name, get(key, "validator")), text(value),
                update == null ? "read-only" : update.toString(), internal ? "internal" : ""));
        }
        return rows;
    }

    /** By name of a topic's setting, the brokers' settings that it overrides, in the order in which Kafka asks them. */
    private static TreeMap<String, String> topics(ClassLoader kafka) throws Exception {
        Map<?, ?> synonyms = (Map<?, ?>) first(kafka, new String[][] {
            {"org.apache.kafka.server.config.ServerTopicConfigSynonyms", "ALL_TOPIC_CONFIG_SYNONYMS"},
        });
        TreeMap<String, String> rows = new TreeMap<>();
        Object names = first(kafka, new String[][] {
            {"org.apache.kafka.storage.internals.log.LogConfig", "nonInternalConfigNames"},
            {"org.apache.kafka.storage.internals.log.LogConfig", "configNames"},
        });
        for (Object name : (Collection<?>) names) {
            List<String> overridden = new ArrayList<>();
            for (Object synonym : synonyms.containsKey(name) ? (Collection<?>) synonyms.get(name) : List.of()) {
                overridden.add((String) call(synonym, "name"));
            }
            rows.put((String) name, String.join("|", overridden));
        }
        return rows;
    }

    /** By name of a feature, the levels that Kafka supports, and the one that `kafka-features.sh upgrade --release-version` gives it. */
    private static TreeMap<String, String> features(ClassLoader kafka) throws Exception {
        Class<?> metadata = Class.forName("org.apache.kafka.server.common.MetadataVersion", true, kafka);
        Class<?> feature = Class.forName("org.apache.kafka.server.common.Feature", true, kafka);
        Object latest = metadata.getMethod("latestProduction").invoke(null);
        TreeMap<String, String> rows = new TreeMap<>();
        rows.put((String) metadata.getField("FEATURE_NAME").get(null), String.join(",",
            call(metadata.getField("MINIMUM_VERSION").get(null), "featureLevel").toString(), call(latest, "featureLevel").toString(),
            call(latest, "featureLevel").toString()));
        for (Object one : (Collection<?>) feature.getField("PRODUCTION_FEATURES").get(null)) {
            rows.put((String) call(one, "featureName"), String.join(",", call(one, "minimumProduction").toString(),
                call(one, "latestProduction").toString(), feature.getMethod("defaultLevel", metadata).invoke(one, latest).toString()));
        }
        return rows;
    }

    /** The levels of metadata.version that clusters run with, from the oldest to the newest. */
    private static void levels(ClassLoader kafka) throws Exception {
        Class<?> metadata = Class.forName("org.apache.kafka.server.common.MetadataVersion", true, kafka);
        short latest = (short) call(metadata.getMethod("latestProduction").invoke(null), "featureLevel");
        System.out.println("level,name,changed");
        for (Object version : metadata.getEnumConstants()) {
            if ((short) call(version, "featureLevel") <= latest) {
                System.out.println(call(version, "featureLevel") + "," + call(version, "version") + ","
                    + ((boolean) call(version, "didMetadataChange") ? "yes" : ""));
            }
        }
    }

    private static List<String> merged(Map<String, TreeMap<String, String>> versions) {
        List<String> order = new ArrayList<>(versions.keySet());
        TreeSet<String> names = new TreeSet<>();
        versions.values().forEach(rows -> names.addAll(rows.keySet()));
        List<String> all = new ArrayList<>();
        for (String name : names) {
            String open = null;
            String from = "";
            for (int i = 0; i <= order.size(); i++) {
                String row = i < order.size() ? versions.get(order.get(i)).get(name) : null;
                if (i > 0 && i < order.size() && Objects.equals(row, open)) {
                    continue;
                }
                if (open != null) {
                    all.add(String.join(",", name, open, from, i < order.size() ? order.get(i) : ""));
                }
                open = row;
                from = i == 0 || i >= order.size() ? "" : order.get(i);
            }
        }
        return all;
    }

    private static String takes(String name, Object validator) throws Exception {
        if (validator == null) {
            return "";
        }
        switch (validator.getClass().getSimpleName()) {
            case "Range":
                Object min = get(validator, "min"), max = get(validator, "max");
                return (min == null ? "" : min) + ".." + (max == null ? "" : max);
            case "ValidString":
                return words(get(validator, "validStrings"));
            case "CaseInsensitiveValidString":
                return "nocase " + words(get(validator, "validStrings"));
            case "ValidList":
                String known = words(get(get(validator, "validString"), "validStrings"));
                // Since Kafka 4.2 lists are distinct, and may be forbidden to be empty.
                if (field(validator.getClass(), "isEmptyAllowed") == null) {
                    return known;
                }
                String empty = (boolean) get(validator, "isEmptyAllowed") ? "" : "nonempty ";
                return (empty + "distinct " + known).trim();
            case "NonEmptyString":
            case "NonEmptyStringWithoutControlChars":
                return "nonempty";
            case "CompositeValidator":
                List<String> parts = new ArrayList<>();
                for (Object part : (Collection<?>) get(validator, "validators")) {
                    parts.add(takes(name, part));
                }
                return String.join(" ", parts).trim();
            case "LambdaValidator":
                return probed(name, validator);
            default:
                // Kafka's own code judges these: versions of the protocol, the voters of a quorum. None of them has a range.
                return "";
        }
    }

    /** A range of whole numbers, and what else passes, found by asking: only the text of such a validator could be read. */
    private static String probed(String name, Object validator) throws Exception {
        Method ensureValid = validator.getClass().getMethod("ensureValid", String.class, Object.class);
        ensureValid.setAccessible(true);
        TreeSet<Integer> valid = new TreeSet<>();
        for (int value = -10; value <= 1000; value++) {
            try {
                ensureValid.invoke(validator, name, value);
                valid.add(value);
            } catch (InvocationTargetException refused) {
                continue;
            }
        }
        if (valid.tailSet(1).isEmpty() || valid.first() == -10) {
            throw new IllegalStateException(name + " takes no range that this program can find: " + validator);
        }
        int most = valid.last();
        String also = valid.headSet(1).stream().map(value -> " or " + value).collect(Collectors.joining());
        return valid.tailSet(1).first() + ".." + (most == 1000 ? "" : most) + also;
    }

    private static String words(Object words) {
        Collection<?> all = (Collection<?>) words;
        // The set of words in any case has no order of its own.
        return all.stream().map(Object::toString).sorted().collect(Collectors.joining("|"));
    }

    private static String text(Object value) {
        if (value == null) {
            return NONE;
        }
        if (value instanceof Class) {
            return ((Class<?>) value).getName();
        }
        if (value instanceof Collection) {
            return ((Collection<?>) value).stream().map(Definitions::text).collect(Collectors.joining("|"));
        }
        String text = value.getClass().getSimpleName().equals("Password") ? "" : value.toString();
        if (text.contains("|") || text.contains("\n")) {
            throw new IllegalStateException("a default that the table can't have: " + text);
        }
        return text.replace(',', '|');
    }

    /** What the first class that there is has as a static field or method, or as one of its Scala object. */
    private static Object first(ClassLoader kafka, String[][] places) throws Exception {
        for (String[] place : places) {
            Class<?> one;
            try {
                one = Class.forName(place[0], true, kafka);
            } catch (ClassNotFoundException moved) {
                continue;
            }
            Object owner = place[0].endsWith("$") ? one.getField("MODULE$").get(null) : null;
            Field field = field(one, place[1]);
            if (field != null) {
                return field.get(owner);
            }
            Method method = method(one, place[1]);
            if (method != null) {
                return method.invoke(owner);
            }
        }
        throw new IllegalStateException("this Kafka has no " + places[0][1]);
    }

    private static Object get(Object owner, String name) throws Exception {
        return field(owner.getClass(), name).get(owner);
    }

    private static Object call(Object owner, String name) throws Exception {
        return method(owner.getClass(), name).invoke(owner);
    }

    private static Field field(Class<?> owner, String name) {
        for (Class<?> one = owner; one != null; one = one.getSuperclass()) {
            for (Field field : one.getDeclaredFields()) {
                if (field.getName().equals(name)) {
                    field.setAccessible(true);
                    return field;
                }
            }
        }
        return null;
    }

    private static Method method(Class<?> owner, String name) {
        for (Class<?> one = owner; one != null; one = one.getSuperclass()) {
            for (Method method : one.getDeclaredMethods()) {
                if (method.getName().equals(name) && method.getParameterCount() == 0) {
                    method.setAccessible(true);
                    return method;
                }
            }
        }
        return null;
    }
}
