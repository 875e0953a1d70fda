# MikroTik RouterOS 7: a script for System > Scripts, run by a schedule or by
# the DHCP client. The password is the client's token; the user may be anything.
# check-certificate=yes needs the CA in System > Certificates, and a correct clock.
:local host "home.dyn.example.com"
:local token "YOUR-TOKEN"
:local interface "ether1"
:local address [/ip address get [find interface=$interface] address]
:local ip [:pick $address 0 [:find $address "/"]]
:local reply [/tool fetch mode=https check-certificate=yes http-method=get \
    user="home-router" password=$token output=user as-value \
    url=("https://dyndns.example.com/nic/update\?hostname=" . $host . "&myip=" . $ip)]
:log info ("dyndns: " . ($reply->"data"))
